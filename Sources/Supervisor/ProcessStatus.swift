// SPDX-License-Identifier: Apache-2.0
import IPCFrame

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
        guard let text = ProcFile.bytes("/proc/\(pid)/status") else { return nil }
        let status = ProcessStatus(parsing: text)
        return status.residentSize == nil ? nil : status
    }

    init(parsing text: [UInt8]) {
        peakResidentSize = ProcessUsage.kilobytes(of: "VmHWM:", in: text[...])
        residentSize = ProcessUsage.kilobytes(of: "VmRSS:", in: text[...])
        dataSize = ProcessUsage.kilobytes(of: "VmData:", in: text[...])
    }
}
