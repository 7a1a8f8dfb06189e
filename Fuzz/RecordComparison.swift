// SPDX-License-Identifier: Apache-2.0

/// Reads the same text at once and in pieces: the records, and the error if there is one, must be the same.
func compare(_ text: [UInt8], piece: Int, reader: () -> any RecordReader) {
    let whole = records(text, piece: max(1, text.count), reader())
    let cut = records(text, piece: piece, reader())
    // A record that passes the limit within its last piece may be taken, or found wrong in another way first.
    guard ![whole, cut].contains(where: { $0.last?.contains("is longer than") ?? false }) else { return }
    require(whole == cut, "in pieces of \(piece): \(cut.suffix(2)), at once: \(whole.suffix(2))")
}

private func records(_ text: [UInt8], piece: Int, _ reader: any RecordReader) -> [String] {
    var result: [String] = []
    do throws(TableError) {
        for start in stride(from: 0, to: text.count, by: piece) {
            reader.feed(text.span.extracting(start..<min(start + piece, text.count)))
            while try reader.next() { result.append(record(reader)) }
        }
        reader.finish()
        while try reader.next() { result.append(record(reader)) }
    } catch {
        result.append("\(error)")
    }
    return result
}

private func record(_ reader: any RecordReader) -> String {
    require(reader.fields.count == reader.columns.count, "a record has another number of fields than columns")
    let fields = reader.fields.map { "\($0.kind):\(String(decoding: reader.bytes(of: $0), as: UTF8.self))" }
    return "\(reader.line) \(fields)"
}
