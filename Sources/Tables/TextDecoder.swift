// SPDX-License-Identifier: Apache-2.0

/// Makes UTF-8 of the delivery's bytes: drops a byte-order mark, turns ISO 8859-1 into UTF-8, and finds the format.
///
/// Whether UTF-8 is well-formed is left to the readers, who can name the line.
final class TextDecoder: ByteSink {
    private let isLatin1: Bool
    private let stated: TableFormat?
    private let begin: (TableFormat) throws(TableError) -> any ByteSink
    private var next: (any ByteSink)?
    /// The first bytes, until they tell the format.
    private var prefix: [UInt8] = []
    private var converted: [UInt8] = []
    /// White space that may come before the first byte that tells the format.
    private static let longestPrefix = 4096

    /// A decoder that calls `begin` once, when the format is known, to make the stage that comes next.
    init(isLatin1: Bool, format: TableFormat?, begin: @escaping (TableFormat) throws(TableError) -> any ByteSink) {
        self.isLatin1 = isLatin1
        stated = format
        self.begin = begin
    }

    func take(_ bytes: Span<UInt8>) throws(TableError) {
        if let next { return try pass(bytes, to: next) }
        for index in bytes.indices { prefix.append(bytes[index]) }
        if try knowsFormat(isEnd: false) { try start() }
    }

    func end() throws(TableError) {
        if next == nil {
            _ = try knowsFormat(isEnd: true)
            try start()
        }
        try next?.end()
    }

    private var format = TableFormat.csv
    private var markBytes = 0

    private func knowsFormat(isEnd: Bool) throws(TableError) -> Bool {
        guard prefix.count >= 3 || isEnd else { return false }
        if prefix.starts(with: [0xFF, 0xFE]) || prefix.starts(with: [0xFE, 0xFF]), !isLatin1 {
            throw TableError(.badData, "the delivery is UTF-16; convert it to UTF-8 first", line: 1)
        }
        if prefix.starts(with: [0xEF, 0xBB, 0xBF]) {
            guard !isLatin1 else {
                throw TableError(
                    .badData,
                    "encoding=latin-1, but the delivery begins with the byte-order mark of UTF-8",
                    line: 1
                )
            }
            markBytes = 3
        }
        if let stated {
            format = stated
            return true
        }
        let first = prefix.dropFirst(markBytes).first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        guard first != nil || isEnd || prefix.count > Self.longestPrefix else { return false }
        format = first == UInt8(ascii: "{") ? .ndjson : .csv
        return true
    }

    private func start() throws(TableError) {
        let sink = try begin(format)
        next = sink
        let first = prefix
        prefix = []
        try pass(first.span.extracting(markBytes...), to: sink)
    }

    private func pass(_ bytes: Span<UInt8>, to sink: any ByteSink) throws(TableError) {
        guard isLatin1 else { return try sink.take(bytes) }
        // Taken out while it is lent to the next stage, and given back for the next time.
        var converted: [UInt8] = []
        swap(&converted, &self.converted)
        defer { swap(&converted, &self.converted) }
        converted.removeAll(keepingCapacity: true)
        for index in bytes.indices {
            let byte = bytes[index]
            if byte < 0x80 {
                converted.append(byte)
            } else {
                converted.append(0xC0 | byte >> 6)
                converted.append(0x80 | byte & 0x3F)
            }
        }
        try sink.take(converted.span)
    }
}
