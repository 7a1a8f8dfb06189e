// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame

/// The bytes that are sent.
enum Input {
    /// The file of `data=`, or lines of `count` bytes in all.
    static func data(_ settings: Settings, _ count: Int) throws -> [UInt8] {
        try settings["data"].map { try contents(of: $0) } ?? lines(count)
    }

    /// W2's message.
    static func stations(_ settings: Settings) throws -> [UInt8] {
        let once = try data(settings, 12_472_373)
        return [UInt8]([[UInt8]](repeating: once, count: settings.number("repeat", 1)).joined())
    }

    /// A whole file, also one that has no size, such as those under /proc.
    static func contents(of path: String) throws(SystemError) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw SystemError(call: "open", errno: errno) }
        defer { _ = close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            // The array has as many bytes as read may fill.
            let count = unsafe piece.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw SystemError(call: "read", errno: errno) }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: piece[..<count])
        }
    }

    /// 64 bytes.
    static var small: [UInt8] { letters(64) }

    /// The alphabet over and over.
    static func letters(_ count: Int) -> [UInt8] { (0..<count).map { 0x61 + UInt8($0 % 26) } }

    /// Makes the first 8 bytes the hex digits of the number's product with 2,654,435,761.
    static func mark(_ message: inout [UInt8], _ number: Int) {
        var rest = UInt32(truncatingIfNeeded: number) &* 2_654_435_761
        for index in (0..<Check.bytes).reversed() {
            let digit = UInt8(rest & 15)
            message[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
            rest >>= 4
        }
    }

    /// As the other contenders compare: by memcmp, which `==` of two arrays is several times slower than.
    static func isSame(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        // Both are as long as the first says.
        return unsafe one.withUnsafeBytes { one in
            unsafe other.withUnsafeBytes { other in
                guard let start = one.baseAddress, let otherStart = other.baseAddress else { return true }
                return unsafe memcmp(start, otherStart, one.count) == 0
            }
        }
    }

    /// Lines that compress about as well as station data does, where no file is named.
    static func lines(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 128)
        var number: UInt32 = 1
        while bytes.count < count {
            number = number &* 1_664_525 &+ 1_013_904_223
            let line =
                "{\"id\":\(bytes.count),\"name\":\"Station \(number >> 12)\",\"country\":\"DE\",\"slug\":\"station-\(number % 977)\"}\n"
            bytes.append(contentsOf: line.utf8)
        }
        return Array(bytes[..<count])
    }
}
