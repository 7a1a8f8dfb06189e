// SPDX-License-Identifier: Apache-2.0

/// Bytes that have arrived and were not consumed yet, in one piece.
///
/// It grows only with what is left unconsumed, so a reader that bounds the size of a record bounds the memory.
@safe
struct ByteWindow: ~Copyable {
    private var storage: UnsafeMutableBufferPointer<UInt8>
    private var start = 0
    private var end = 0

    init(capacity: Int = 1 << 16) {
        unsafe storage = .allocate(capacity: capacity)
    }

    deinit { unsafe storage.deallocate() }

    /// Unconsumed bytes.
    var count: Int { end - start }

    /// Where the unconsumed bytes begin.
    ///
    /// Valid until the next `append`.
    /// The scanners read and write below `count` only; a raw pointer keeps their inner loops free of bookkeeping.
    @unsafe var base: UnsafeMutablePointer<UInt8> {
        // `storage` is never empty, hence the base address is never nil.
        unsafe storage.baseAddress.unsafelyUnwrapped + start
    }

    /// Adds bytes behind those that are there.
    mutating func append(_ bytes: Span<UInt8>) {
        if unsafe storage.count - end < bytes.count { makeRoom(for: bytes.count) }
        // Within bounds: the line above left room for `bytes.count`.
        unsafe bytes.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress else { return }
            unsafe (storage.baseAddress.unsafelyUnwrapped + end).update(from: from, count: source.count)
        }
        end += bytes.count
    }

    /// Forgets the first `count` bytes.
    mutating func consume(_ count: Int) {
        precondition(count <= self.count, "cannot consume what has not arrived")
        start += count
        if start == end { (start, end) = (0, 0) }
    }

    private mutating func makeRoom(for extra: Int) {
        let kept = count
        var target = unsafe storage
        if unsafe kept + extra > storage.count {
            var capacity = unsafe storage.count
            while capacity < kept + extra { capacity *= 2 }
            unsafe target = .allocate(capacity: capacity)
        }
        // Regions may overlap when nothing was allocated: `update` is a memmove.
        let from = unsafe base
        unsafe target.baseAddress.unsafelyUnwrapped.update(from: from, count: kept)
        if unsafe target.count != storage.count {
            unsafe storage.deallocate()
            unsafe storage = target
        }
        (start, end) = (0, kept)
    }
}
