// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tables

/// What lies between the bytes of a delivery and the records: gzip, encodings, the byte-order mark, the format.
@Suite struct DecodingTests {
    /// The rows that a delivery makes in a new table.
    private func rows(_ delivery: [UInt8], _ arguments: String...) throws -> [[String]] {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let path = scratch.file("t.sqlite")
        let job = TableImport(options: try options(path, arguments))
        for byte in delivery { try job.feed([byte]) }
        try job.finishInput()
        _ = try complete(job)
        return try Connection(path).rows("stations")
    }

    private func gzip(_ text: String) throws -> [UInt8] {
        var output: [UInt8] = []
        try GzipWriter().write(Array(text.utf8), isEnd: true, to: &output)
        return output
    }

    private let expected = [["'1'", "'ä'"]]

    @Test func aByteOrderMarkIsNoPartOfTheFirstColumn() throws {
        #expect(try rows([0xEF, 0xBB, 0xBF] + Array("id,n\n1,ä\n".utf8)) == expected)
        #expect(try rows([0xEF, 0xBB, 0xBF] + Array("{\"id\":\"1\",\"n\":\"ä\"}".utf8)) == expected)
    }

    @Test func latin1BecomesUTF8() throws {
        #expect(try rows(Array("id,n\n1,".utf8) + [0xE4, 0x0A], "encoding=latin-1") == expected)
        #expect(refusal([0xEF, 0xBB, 0xBF] + Array("id".utf8), to: "/tmp/never", "encoding=latin-1")?.code == .badData)
    }

    @Test func gzipIsRecognisedByItsMagicByteByByte() throws {
        let whole = try gzip("id,n\n1,ä\n")
        #expect(try rows(whole) == expected)
        #expect(try rows(whole, "compression=gzip") == expected)
        #expect(try rows(whole + [0, 0, 0]) == expected, "padding")
        #expect(try rows(gzip("id,n\n1,") + gzip("ä\n")) == expected, "two members")
        #expect(try rows(gzip("{\"id\":\"1\",\"n\":\"ä\"}")) == expected)
    }

    @Test func truncatedGzipIsRefusedAtEveryLength() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let whole = try gzip("id,n\n1,ä\n")
        for length in 0..<whole.count {
            let error = refusal(whole[..<length], to: scratch.file("t.sqlite"))
            #expect(error?.code == .badData, "\(length) bytes")
        }
        #expect(refusal(whole.dropLast(), to: scratch.file("t.sqlite"))?.message.contains("cut off") == true)
        #expect(scratch.names == [])
    }

    @Test func damagedGzipIsRefused() throws {
        var damaged = try gzip("id,n\n1,ä\n")
        damaged[damaged.count - 6] ^= 1
        #expect(refusal(damaged, to: "/tmp/never")?.message.contains("damaged: incorrect data check") == true)
        let trailing = try gzip("id,n\n1,ä\n") + [0, 7]
        #expect(refusal(trailing, to: "/tmp/never")?.message.contains("not gzip follow") == true)
        #expect(refusal("id,n\n1,ä\n".utf8, to: "/tmp/never", "compression=gzip")?.message.contains("magic") == true)
    }

    @Test func utf16IsNamedAsSuch() {
        #expect(refusal([0xFF, 0xFE, 0x69, 0x00], to: "/tmp/never")?.message.contains("UTF-16") == true)
        #expect(refusal([0xFE, 0xFF], to: "/tmp/never")?.message.contains("UTF-16") == true)
    }

    @Test func theStatedFormatWins() throws {
        #expect(try rows(Array("{id,n\n1,ä\n".utf8), "format=csv", "key={id") == expected)
        #expect(refusal("id,n\n1,2\n".utf8, to: "/tmp/never", "format=ndjson")?.message.contains("an object") == true)
    }

    @Test func aDelimiterCanBeATab() throws {
        #expect(try rows(Array("id\tn\n1\tä\n".utf8), "delimiter=tab") == expected)
        #expect(try rows(Array("id;n\n1;ä\n".utf8), "delimiter=;") == expected)
    }
}
