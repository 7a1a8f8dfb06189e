// SPDX-License-Identifier: Apache-2.0

/// What the fuzzer gives, read from its beginning; zeros and nothing behind its end.
@safe struct FuzzInput {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var offset = 0

    @unsafe init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        // libFuzzer keeps the bytes for the length of the call.
        unsafe bytes = UnsafeBufferPointer(start: start, count: count)
    }

    var isEmpty: Bool { unsafe offset == bytes.count }

    mutating func byte() -> UInt8 {
        guard !isEmpty else { return 0 }
        defer { offset += 1 }
        return unsafe bytes[offset]
    }

    mutating func number() -> UInt16 {
        UInt16(byte()) | UInt16(byte()) << 8
    }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = unsafe min(bytes.count, offset + count)
        defer { offset = end }
        return unsafe Array(bytes[offset..<end])
    }

    mutating func rest() -> [UInt8] {
        take(.max - offset)
    }
}

/// Ends the process, which is how the fuzzer learns of a fault.
func require(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { fatalError(text()) }
}
