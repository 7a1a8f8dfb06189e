// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import IPCFrame

/// Texts, tags and counts that are larger, longer or more than they may be.
@Suite struct WireTextTests {
    @Test func aTextIsCutBetweenCharacters() {
        // Two, three and four bytes a character.
        for character in ["é", "€", "𝄞"] {
            let text = String(repeating: character, count: 10)
            for limit in 0...text.utf8.count + 1 {
                let cut = Array(text.wholePrefix(limit))
                #expect(cut.count <= limit && limit - cut.count < 4)
                let whole = String(validating: cut, as: UTF8.self)
                #expect(whole.map { text.hasPrefix($0) } == true, "\(limit) bytes of \(text)")
            }
        }
        #expect(Array("".wholePrefix(5)) == [])
    }

    @Test func aLongNameIsCutAndALongerOneThanAllowedIsRefused() throws {
        var capabilities = Capabilities()
        capabilities.name = String(repeating: "€", count: 100)
        let read = try Hello(parsing: Sample.hello(capabilities))
        #expect(read.capabilities.name == String(repeating: "€", count: 85))
        for (count, isAllowed) in [(256, true), (257, false)] {
            var payload = Hello.magic + [1, 0, 1, 0]
            payload.appendTLV(TLV.Tag.name, [UInt8](repeating: 0x61, count: count))
            #expect(((try? Hello(parsing: payload)) != nil) == isAllowed)
        }
    }

    @Test func aTagThatMayNotRepeatDoesNot() throws {
        var hello = Hello.magic + [1, 0, 1, 0]
        hello.appendTLV(TLV.Tag.pid, UInt32(1))
        #expect(try Hello(parsing: hello).capabilities.pid == 1)
        hello.appendTLV(TLV.Tag.pid, UInt32(1))
        #expect(throws: ProtocolViolation.self) { try Hello(parsing: hello) }

        var end = Sample.end(0)
        for tag in [TLV.Tag.count, TLV.Tag.count, 0x7777, 0x7777] as [UInt16] {
            var value: [UInt8] = []
            value.appendString("rows")
            value.appendLittleEndian(UInt64(5))
            end.appendTLV(tag, value)
        }
        #expect(try End(parsing: end).trailer.counts == [Count("rows", 5), Count("rows", 5)])
        end.appendTLV(TLV.Tag.exitCode, UInt32(1))
        end.appendTLV(TLV.Tag.exitCode, UInt32(1))
        #expect(throws: ProtocolViolation.self) { try End(parsing: end) }
    }

    @Test func aTagMeansNothingWhereItDoesNotBelong() throws {
        var error = Sample.error(.failed)
        // Too short for a count, and no value: in ERROR neither tag has a meaning.
        error.appendTLV(TLV.Tag.count, [1])
        error.appendTLV(TLV.Tag.exitCode, [1])
        error.appendTLV(TLV.Tag.peakRSS, UInt64(77))
        #expect(try RemoteError(parsing: error, flags: []).peakRSS == 77)
    }

    @Test func aReportFitsIntoAFrameWhateverItSays() throws {
        let long = String(repeating: "€", count: 100_000)
        let counts = (0..<1_000).map { Count(long, $0) }
        let limit = Int(ConnectionLimits().maxPayload)
        let progress = Sample.encoded {
            Progress(completed: 1, unit: long, text: long, counts: counts).encode(into: &$0)
        }
        #expect(progress.count <= limit)
        #expect(try Progress(parsing: progress, flags: []).counts.count == 64)
        #expect(Sample.encoded { LogLine(level: .info, text: long).encode(into: &$0) }.count <= limit)
        #expect(Sample.encoded { RemoteError(code: .failed, reason: long).encode(into: &$0) }.count <= limit)
        #expect(Sample.encoded { Halt(code: .failed, reason: long).encode(into: &$0) }.count <= 1_100)
        #expect(Sample.encoded { Refuse(code: .failed, reason: long).encode(into: &$0) }.count <= 1_100)
    }

    @Test func argumentsThatCannotFitAreRefusedByUs() throws {
        let rig = Rig.open(.parent)
        for arguments in [
            [Argument](repeating: Argument("k", "v"), count: 70_000),
            [Argument(String(repeating: "k", count: 70_000), "")],
            [Argument("k", [UInt8](repeating: 0, count: 65_536))],
        ] {
            #expect(throws: CallRejection.self) {
                try rig.perform {
                    try $0.openCall(Request(method: "m", arguments: arguments, offer: Sample.small))
                }
            }
        }
        // What fits by a byte is sent, and one byte more is not.
        let fixed = Sample.encoded {
            Request(method: "m", arguments: [Argument("k", "")], offer: Sample.small).encode(into: &$0)
        }
        let most = ConnectionLimits.maxArguments - fixed.count
        for (count, isSent) in [(most, true), (most + 1, false)] {
            let argument = Argument("k", [UInt8](repeating: 1, count: count))
            let request = Request(method: "m", arguments: [argument], offer: Sample.small)
            let id = try? rig.perform { try $0.openCall(request) }
            #expect((id != nil) == isSent)
            if isSent { #expect(rig.frames.first?.payload.count == ConnectionLimits.maxArguments) }
        }
    }
}
