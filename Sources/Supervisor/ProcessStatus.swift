// SPDX-License-Identifier: Apache-2.0

/// Memory figures of a process, in bytes, from /proc/PID/status.
struct ProcessStatus: Equatable, Sendable {
    /// Resident now.
    var residentSize: UInt64?
    /// The most that was ever resident.
    var peakResidentSize: UInt64?
    /// Private and writable, resident or not: what RLIMIT_DATA counts.
    var dataSize: UInt64?

    /// Reads the figures; nil when the process has no memory any more, as a zombie, or no entry.
    ///
    /// Only for a child that has not been reaped: its number can be nobody else's.
    static func read(pid: Int32) -> ProcessStatus? {
        guard let text = ProcFile.text("/proc/\(pid)/status") else { return nil }
        let status = ProcessStatus(parsing: text.utf8)
        return status.residentSize == nil ? nil : status
    }

    init(parsing text: some Collection<UInt8>) {
        for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "Vm".utf8) {
            let words = line.split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            guard words.count >= 2, let kibibytes = UInt64(String(decoding: words[1], as: UTF8.self)) else { continue }
            switch String(decoding: words[0], as: UTF8.self) {
            case "VmRSS:": residentSize = kibibytes * 1024
            case "VmHWM:": peakResidentSize = kibibytes * 1024
            case "VmData:": dataSize = kibibytes * 1024
            default: break
            }
        }
    }
}
