// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

@Suite struct NDJSONReaderTests {
    private static let text = Array(
        #"""
        {"id":"1","n":1.50,"t":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude89"}

          { "t" : "Zürich 🚉" , "id" : "2" , "n" : -0 }
        {"id":"","n":true,"\u0074":null}
        """#.utf8
    )

    @Test("Every split point yields the same records", arguments: 0...text.count)
    func splitAnywhere(at cut: Int) throws {
        let reader = NDJSONReader()
        let found = try records(reader, [Self.text[..<cut], Self.text[cut...]])
        #expect(reader.columns == ["id", "n", "t"])
        #expect(
            found == [
                ["1", "1.50", "a\"\\/\u{8}\u{c}\n\r\té🚉"], ["2", "-0", "Zürich 🚉"], ["", "true", "null"],
            ]
        )
        #expect(reader.fields.map(\.kind) == [.text, .true, .null])
        #expect(reader.line == 4)
    }

    @Test(
        "What is no flat JSON object is refused with its line",
        arguments: [
            (#"[1]"#, "expected an object"), (#"{"id":{}}"#, "nested"), (#"{"id":[1]}"#, "nested"),
            (#"{"id":01}"#, "number"), (#"{"id":1.}"#, "number"), (#"{"id":-}"#, "number"), (#"{"id":1e}"#, "number"),
            (#"{"id":tru}"#, "a value"), (#"{"id":}"#, "a value"), (#"{"id" 1}"#, "':'"), (#"{"id":1,}"#, "name"),
            (#"{"id":1 "b":2}"#, "',' or '}'"), (#"{"id":1}{"id":2}"#, "one object a line"), (#"{"id":"x"#, "closed"),
            (#"{"id":"\x"}"#, "escape"), (#"{"id":"\u12g4"}"#, "four hexadecimal"), (#"{"id":"\ud800"}"#, "surrogate"),
            (#"{"id":"\udc00\ud800"}"#, "surrogate"), (#"{"id":"\ud800\u0041"}"#, "surrogate"),
            (#"{"id":"\u0000"}"#, "NUL"), ("{\"id\":\"\t\"}", "control character"), (#"{"id":1,"id":2}"#, "twice"),
            (#"{"x":1}"#, "has a member 'x' that"), (#"{}"#, "lacks the member 'id'"), (#"{"id":1"#, "'}'"),
            ("{\"id\":nul\0}", "a value"), (#"{"id":1}x"#, "one object a line"),
        ]
    )
    func refused(_ line: String, _ words: String) {
        let error = #expect(throws: TableError.self) {
            try records(NDJSONReader(), [Array("{\"id\":0}\n\n\(line)\n".utf8)[...]])
        }
        #expect(error?.code == .badData)
        #expect(error?.line == 3)
        #expect(error?.message.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func aStringThatIsNotUTF8IsRefused() {
        let bytes = Array("{\"id\":0}\n{\"id\":\"".utf8) + [0xE9] + Array("\"}\n".utf8)
        let error = #expect(throws: TableError.self) { try records(NDJSONReader(), [bytes[...]]) }
        #expect(error?.line == 2)
        #expect(error?.message.contains("column 1 ('id'): byte 1 (0xE9) is not UTF-8") == true)
    }

    @Test func theFirstObjectMayNotNameAColumnTwice() {
        let error = #expect(throws: TableError.self) {
            try records(NDJSONReader(), [Array("{\"id\":0,\"\\u0049D\":1}\n".utf8)[...]])
        }
        #expect(error?.message.contains("'ID' twice") == true)
    }

    @Test func aLineWithoutEndIsRefusedBeforeItFillsTheMemory() throws {
        let reader = NDJSONReader(maximumRecordBytes: 5_000)
        let piece = [UInt8](repeating: UInt8(ascii: " "), count: 1_000)
        let error = #expect(throws: TableError.self) {
            for _ in 0..<6 {
                reader.feed(piece.span)
                _ = try reader.next()
            }
        }
        #expect(error?.message.contains("longer than 5000 bytes") == true)
    }
}
