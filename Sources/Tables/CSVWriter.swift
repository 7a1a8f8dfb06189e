// SPDX-License-Identifier: Apache-2.0

/// Writes RFC 4180 CSV into a byte array; lines end with a line feed.
struct CSVWriter {
    private let delimiter: UInt8

    init(delimiter: UInt8) {
        self.delimiter = delimiter
    }

    /// Writes a field, in quotes if it needs them.
    ///
    /// - Parameters:
    ///   - text: the field's bytes.
    ///   - isAlone: whether the row has no other field, so that an empty one would look like an empty line.
    ///   - output: where to.
    @unsafe func field(_ text: UnsafeBufferPointer<UInt8>, isAlone: Bool, to output: inout [UInt8]) {
        var needsQuotes = isAlone && text.isEmpty
        var hasQuotes = false
        for index in text.indices {
            let byte = unsafe text[index]
            guard byte <= 0x22 || byte == delimiter else { continue }
            if byte == 0x22 { hasQuotes = true }
            if byte == delimiter || byte == 0x0A || byte == 0x0D { needsQuotes = true }
        }
        guard needsQuotes || hasQuotes else { return unsafe output.append(contentsOf: text) }
        output.append(0x22)
        if hasQuotes {
            for index in text.indices {
                let byte = unsafe text[index]
                if byte == 0x22 { output.append(0x22) }
                output.append(byte)
            }
        } else {
            unsafe output.append(contentsOf: text)
        }
        output.append(0x22)
    }

    func field(_ text: String, isAlone: Bool, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 { unsafe field($0, isAlone: isAlone, to: &output) }
    }
}
