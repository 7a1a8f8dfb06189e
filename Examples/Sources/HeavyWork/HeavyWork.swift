// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Work that keeps a processor busy and knows no pause, as parsing, thumbnails and imports do.
public enum HeavyWork {
    /// Sorts numbers and folds them into a checksum until this thread has used so much processor time.
    ///
    /// Processor time, not time that passes: it is the same amount of work on a machine that is busy.
    public static func run(milliseconds: Int) -> UInt32 {
        let end = processorTime() + milliseconds * 1_000_000
        var state: UInt64 = 88_172_645_463_325_252
        var checksum: UInt32 = 0
        repeat {
            var numbers = (0..<512).map { _ in
                // xorshift64
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                return state
            }
            numbers.sort()
            for number in numbers { checksum = fold(checksum, UInt8(truncatingIfNeeded: number)) }
        } while processorTime() < end
        return checksum
    }

    /// CRC-32 of one more byte, bit by bit.
    private static func fold(_ checksum: UInt32, _ byte: UInt8) -> UInt32 {
        var value = checksum ^ UInt32(byte)
        for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0xEDB8_8320 : value >> 1 }
        return value
    }

    /// What the calling thread has used, in nanoseconds.
    private static func processorTime() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
