// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import IPCFrame

/// The numbers of PROTOCOL.md are the code's.
@Suite struct WireTableTests {
    @Test func everyFrameTypeHasItsRow() throws {
        var seen: [UInt8: String] = [:]
        for row in ProtocolDocument.tables(under: "### 2.1 Types") {
            let raw = try #require(ProtocolDocument.number(row[0]).flatMap(UInt8.init(exactly:)), "\(row)")
            #expect(seen.updateValue(row[1], forKey: raw) == nil)
            #expect(FrameType(rawValue: raw)?.name == row[1])
            #expect(FrameType.name(of: raw) == row[1])
            try checkFlags(row)
        }
        #expect(seen.count == FrameType.allCases.count)
    }

    private static let flags: [String: [String: FrameFlags]] = [
        "DATA": ["COMPRESSED": .compressed, "FLUSH": .flush, "ARENA": .arena, "FILE": .file],
        "ERROR": ["RETRYABLE": .retryable], "PROGRESS": ["FINAL": .final],
    ]

    private func checkFlags(_ row: [String]) throws {
        var expected = Self.flags[row[1]] ?? [:]
        for flag in row[3].split(separator: ", ") {
            let parts = flag.split(separator: " ").map(String.init)
            #expect(parts.count == 2)
            let known = expected.removeValue(forKey: parts[1])
            let value = try #require(known, "the flag '\(flag)' is not understood")
            #expect(value.rawValue == UInt8(parts[0]))
        }
        #expect(expected.isEmpty, "flags without a row")
        let streams = row[2]
        let isOfStreams = StateTableConnectionTests.streamTypes.map(\.name).contains(row[1])
        #expect(streams == (row[1] == "ERROR" ? "id or 0" : isOfStreams ? "id" : "0"))
    }

    @Test func everyErrorCodeHasItsRow() throws {
        var seen: [UInt16: String] = [:]
        for row in ProtocolDocument.tables(under: "## 15. Codes") where row[0] != "0x8000 to 0xFFFF" {
            let raw = try #require(ProtocolDocument.number(row[0]).flatMap(UInt16.init(exactly:)), "\(row)")
            #expect(seen.updateValue(row[1], forKey: raw) == nil)
            #expect(ErrorCode(rawValue: raw).description == row[1])
        }
        #expect(Set(seen.keys) == Set(ErrorCode.names.keys.map(\.rawValue)))
        #expect(Set(seen.values).count == seen.count)
    }

    @Test func everyLimitHasItsRow() throws {
        var rows: [String: (value: String, allowed: String)] = [:]
        for row in ProtocolDocument.tables(under: "## 3. Limits") {
            rows[ProtocolDocument.plain(row[0])] = (row[1], row[2])
        }
        let limits = ConnectionLimits()
        func range(_ range: ClosedRange<UInt32>) -> [UInt64] { [UInt64(range.lowerBound), UInt64(range.upperBound)] }
        for (name, value, allowed) in [
            ("maxChunk", limits.maxChunk, ConnectionLimits.maxChunkRange),
            ("maxStreams", limits.maxStreams, ConnectionLimits.maxStreamsRange),
            ("initialCredit", limits.initialCredit, ConnectionLimits.initialCreditRange),
        ] {
            let found = rows.removeValue(forKey: name)
            let row = try #require(found)
            #expect(ProtocolDocument.number(row.value) == UInt64(value))
            #expect(row.allowed.components(separatedBy: " to ").compactMap(ProtocolDocument.number) == range(allowed))
        }
        let configuration = ConnectionStateMachine.Configuration()
        for (name, value) in [
            ("maxPayload", UInt64(limits.maxPayload)),
            ("handshake frame", UInt64(ConnectionLimits.maxHandshakePayload)),
            ("arguments", UInt64(ConnectionLimits.maxArguments)),
            ("descriptors", UInt64(ConnectionLimits.maxDescriptors)),
            ("overtaking queue", UInt64(configuration.maxControlBytes)),
            ("receive budget", configuration.receiveBudget),
        ] {
            let found = rows.removeValue(forKey: name)
            let row = try #require(found)
            #expect(ProtocolDocument.number(row.value) == value, "\(name)")
        }
        let time = rows.removeValue(forKey: "handshake time")
        #expect(time?.value == "10 s")
        #expect(rows.isEmpty, "rows that no test understands")
    }

    @Test func everyTagHasItsRow() throws {
        let tags: [String: UInt16] = [
            "maxChunk": TLV.Tag.maxChunk, "maxStreams": TLV.Tag.maxStreams, "initialCredit": TLV.Tag.initialCredit,
            "codecs": TLV.Tag.codecs, "digests": TLV.Tag.digests, "features": TLV.Tag.features,
            "name": TLV.Tag.name, "pid": TLV.Tag.pid, "peakRSS": TLV.Tag.peakRSS, "cpuTime": TLV.Tag.cpuTime,
            "exitCode": TLV.Tag.exitCode, "count": TLV.Tag.count, "value": TLV.Tag.value, "body": TLV.Tag.body,
            "digest": TLV.Tag.digest,
        ]
        let rows = ProtocolDocument.tables(under: "## 4. Common encodings")
        #expect(rows.count == tags.count && TLV.Tag.known == tags.values.reduce(0) { $0 | TLV.Tag.bit($1) })
        for row in rows {
            #expect(ProtocolDocument.number(row[0]) == tags[row[1]].map(UInt64.init))
            #expect(row[2].contains("MAY repeat") == [TLV.Tag.count, TLV.Tag.value].contains(tags[row[1]] ?? 0))
        }
    }

    @Test(arguments: ["maxChunk", "maxStreams", "initialCredit"])
    func aLimitHoldsAtItsBoundsAndNotBeyond(_ name: String) {
        let path: WritableKeyPath<ConnectionLimits, UInt32> =
            name == "maxChunk" ? \.maxChunk : name == "maxStreams" ? \.maxStreams : \.initialCredit
        let range =
            name == "maxChunk"
            ? ConnectionLimits.maxChunkRange
            : name == "maxStreams" ? ConnectionLimits.maxStreamsRange : ConnectionLimits.initialCreditRange
        func fault(_ value: UInt32) -> String? {
            var limits = ConnectionLimits()
            limits[keyPath: path] = value
            return limits.fault
        }
        #expect(fault(range.lowerBound) == nil && fault(range.upperBound) == nil)
        #expect(fault(range.upperBound + 1)?.contains(name) == true)
        if range.lowerBound > 0 { #expect(fault(range.lowerBound - 1)?.contains(name) == true) }
    }
}
