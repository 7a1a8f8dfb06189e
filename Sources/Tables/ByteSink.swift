// SPDX-License-Identifier: Apache-2.0

/// Takes bytes from a stage before it.
protocol ByteSink: AnyObject {
    /// Takes the next bytes, in pieces that bound the memory of what follows.
    func take(_ bytes: Span<UInt8>) throws(TableError)
    /// Nothing follows.
    func end() throws(TableError)
}

extension ByteSink {
    /// Takes bytes in pieces of at most `limit`.
    func take(_ bytes: Span<UInt8>, piece limit: Int) throws(TableError) {
        var at = 0
        while at < bytes.count {
            let next = min(at + limit, bytes.count)
            try take(bytes.extracting(at..<next))
            at = next
        }
    }
}
