// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame

/// The bytes that are sent.
enum Input {
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
