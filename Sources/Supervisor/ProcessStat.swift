// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What /proc/PID/stat says of a process.
struct ProcessStat: Equatable, Sendable {
    /// R, S, D, T, t, Z or X; see proc(5).
    var state: Character
    var parent: Int32
    var session: Int32
    /// What it used of the processors, without its children.
    var cpuTime: Duration
    /// When it started, in clock ticks since the system did: together with the number this names one process for good.
    var start: UInt64

    /// Neither a zombie nor about to be none.
    var isAlive: Bool { state != "Z" && state != "X" }

    /// Reads it; nil when there is no such process.
    static func read(pid: Int32) -> ProcessStat? {
        ProcFile.text("/proc/\(pid)/stat").flatMap { ProcessStat(parsing: $0) }
    }

    init?(parsing text: String) {
        // The name before the last parenthesis may hold anything.
        let bytes = text.utf8
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let separators = [UInt8(ascii: " "), UInt8(ascii: "\n")]
        let fields = bytes[bytes.index(after: end)...].split { separators.contains($0) }.map(Substring.init)
        guard fields.count > 19, let state = fields[0].first, let parent = Int32(fields[1]),
            let session = Int32(fields[3]), let user = Int64(fields[11]), let system = Int64(fields[12]),
            let start = UInt64(fields[19])
        else { return nil }
        self.state = state
        self.parent = parent
        self.session = session
        self.start = start
        let ticks = Int64(sysconf(CInt(_SC_CLK_TCK)))
        cpuTime = .microseconds((user + system) * (1_000_000 / max(1, ticks)))
    }
}

/// Reads small files of the proc file system.
package enum ProcFile {
    /// The first bytes of a file as text; nil when it cannot be read.
    package static func text(_ path: String, limit: Int = 4096) -> String? {
        bytes(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first bytes of a file; nil when it cannot be read.
    package static func bytes(_ path: String, limit: Int = 4096) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe read(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, limit - filled)
            }
            if count < 0 { return nil }
            if count == 0 { break }
            filled += count
        }
        bytes.removeLast(limit - filled)
        return bytes
    }

    /// The numbers that name the entries of a directory.
    package static func numbers(in path: String, limit: Int) -> [Int32] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var numbers: [Int32] = []
        while numbers.count < limit, let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers
    }
}
