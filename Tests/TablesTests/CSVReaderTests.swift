// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

/// All records of a reader that was fed in pieces.
func records(_ reader: any RecordReader, _ pieces: [ArraySlice<UInt8>]) throws(TableError) -> [[String]] {
    var all: [[String]] = []
    func drain() throws(TableError) {
        while try reader.next() { all.append(reader.fields.map { reader.text(of: $0) }) }
    }
    for piece in pieces {
        reader.feed(Array(piece).span)
        try drain()
    }
    reader.finish()
    try drain()
    return all
}

@Suite struct CSVReaderTests {
    private static let text = Array(
        "id,\"na\"\"me\",x\r\n1,\"a,\"\"b\"\"\nc\r\nd\",\n2,\"\",é\"\"\n".utf8.dropLast(3)
            + Array("\n\"3\",Zürich 🚉,\"\"\"\"".utf8)
    )

    @Test("Every split point yields the same records", arguments: 0...text.count)
    func splitAnywhere(at cut: Int) throws {
        let reader = CSVReader()
        let found = try records(reader, [Self.text[..<cut], Self.text[cut...]])
        #expect(reader.columns == ["id", "na\"me", "x"])
        #expect(found == [["1", "a,\"b\"\nc\r\nd", ""], ["2", "", "é"], ["3", "Zürich 🚉", "\""]])
    }

    @Test func oneByteAtATimeYieldsTheSameRecords() throws {
        let pieces = Self.text.indices.map { Self.text[$0...$0] }
        #expect(try records(CSVReader(), pieces).count == 3)
    }

    @Test func aRecordKnowsItsLineThoughFieldsHoldNewlines() throws {
        let reader = CSVReader()
        reader.feed(Array("a,b\n1,\"x\ny\"\n2,z\n".utf8).span)
        #expect(try reader.next() && reader.line == 2)
        #expect(try reader.next() && reader.line == 4)
    }

    @Test func anotherDelimiterMakesCommasPlainText() throws {
        #expect(try records(CSVReader(delimiter: 9), [Array("a\tb\n1,2\t3".utf8)[...]]) == [["1,2", "3"]])
    }

    @Test func emptyLinesAtTheEndAreNoRecords() throws {
        #expect(try records(CSVReader(), [Array("a,b\n1,2\n\n\r\n".utf8)[...]]) == [["1", "2"]])
    }

    @Test(
        "What is not RFC 4180 is refused with its line",
        arguments: [
            ("a,b\n1,2\n3\n", 3, "1 field where the header has 2"),
            ("a,b\n1,\"x\ny\"\n1,2,3\n", 4, "3 fields where the header has 2"),
            ("a,b\n1,2\n\"3,4\n5,6\n", 3, "never closed"),
            ("a,b\n1,2\n3,4\"5\n", 3, "column 2 ('b'): a quote inside"),
            ("a,b\n1,\"2\"3\n", 2, "column 2 ('b'): text after the closing quote"),
            ("a,b\n1\r2,3\n", 2, "column 1 ('a'): a carriage return"),
            ("a,b\n1,2\n\n3,4\n", 3, "an empty line"),
            ("a,b\n1,2\0\n", 2, "column 2 ('b'): a NUL byte"),
            ("a,,b\n", 1, "column 2 has no name"),
            ("a,b,A\n", 1, "'A' twice, as columns 1 and 3"),
        ]
    )
    func refused(_ text: String, _ line: UInt64, _ words: String) {
        for size in [1, 3, 1000] {
            let bytes = Array(text.utf8)
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            let error = #expect(throws: TableError.self) { try records(CSVReader(), pieces) }
            #expect(error?.code == .badData)
            #expect(error?.line == line)
            #expect(error?.message.contains(words) == true, "\(error?.description ?? "")")
        }
    }

    @Test(
        "Bytes that are not UTF-8 are refused",
        arguments: [
            [0xFF], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3], [0x80],
            [0xF0, 0x9F, 0x9A], [0xE2, 0x82, 0x41],
        ] as [[UInt8]]
    )
    func notUTF8(_ bytes: [UInt8]) {
        let error = #expect(throws: TableError.self) {
            try records(CSVReader(), [(Array("a,b\nx,y\n1,2".utf8) + bytes + Array("\n".utf8))[...]])
        }
        #expect(error?.line == 3)
        #expect(error?.message.contains("column 2 ('b'): byte 2 (0x") == true)
    }

    @Test func aRowWithoutEndIsRefusedBeforeItFillsTheMemory() throws {
        let reader = CSVReader(maximumRecordBytes: 5_000)
        reader.feed(Array("a,b\n1,\"".utf8).span)
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000)
        let error = #expect(throws: TableError.self) {
            for _ in 0..<6 {
                reader.feed(piece.span)
                _ = try reader.next()
            }
        }
        #expect(error?.line == 2)
        #expect(error?.message.contains("longer than 5000 bytes; is the quote of line 2 never closed?") == true)
    }

    @Test("The longest record is as long however the bytes are cut", arguments: [99, 100, 101], [1, 7, 100, 1_000])
    func limit(length: Int, piece: Int) throws {
        let row = "1," + String(repeating: "x", count: length - 3) + "\n"
        let line = #"{"a":""# + String(repeating: "x", count: length - 9) + "\"}\n"
        let cases: [(any RecordReader, String)] = [
            (CSVReader(maximumRecordBytes: 100), "a,b\n" + row + "2,y\n"),
            (NDJSONReader(maximumRecordBytes: 100), line + line),
        ]
        for (reader, text) in cases {
            let bytes = Array(text.utf8)
            let pieces = stride(from: 0, to: bytes.count, by: piece).map { bytes[$0..<min($0 + piece, bytes.count)] }
            do throws(TableError) {
                #expect(try records(reader, pieces).count == 2 && length <= 100)
            } catch {
                #expect(error.message.contains("longer than 100 bytes") && length > 100)
            }
        }
    }
}
