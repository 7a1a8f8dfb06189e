// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// What this process has used so far, as the kernel tells it.
package struct ProcessUsage: Sendable {
    /// VmHWM of /proc/self/status, bytes.
    ///
    /// Not `ru_maxrss`, which a process inherits across exec.
    package var peakRSS: UInt64?
    /// User and system time, microseconds.
    package var cpuMicroseconds: UInt64?

    /// The peak grows slowly, and reading it takes longer than a small call: one reading serves for 20 ms.
    private static let peakLifetime: Duration = .milliseconds(20)
    private static let lastPeak = Mutex<(moment: ContinuousMoment, value: UInt64?)?>(nil)

    package static var current: ProcessUsage {
        let now = ContinuousMoment.now
        let peak = lastPeak.withLock { last in
            if let last, now - last.moment < peakLifetime { return last.value }
            let value = peakNow()
            last = (now, value)
            return value
        }
        return ProcessUsage(peakRSS: peak, cpuMicroseconds: cpu())
    }

    func fill(_ trailer: inout Trailer) {
        trailer.peakRSS = peakRSS
        trailer.cpuMicroseconds = cpuMicroseconds
    }

    private static func peakNow() -> UInt64? {
        let descriptor = unsafe open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { _ = close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        // The buffer is the array's own, for the length of the call.
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { return nil }
        return kilobytes(of: "VmHWM:", in: bytes[..<count])
    }

    /// The number after `key` in a text like /proc/PID/status, in bytes; nil if there is none.
    package static func kilobytes(of key: String, in text: ArraySlice<UInt8>) -> UInt64? {
        var rest = text
        while !rest.starts(with: key.utf8) {
            guard let end = rest.firstIndex(of: 0x0A) else { return nil }
            rest = rest[(end + 1)...]
        }
        var value: UInt64?
        for byte in rest.prefix(while: { $0 != 0x0A }) where (0x30...0x39).contains(byte) {
            value = (value ?? 0) &* 10 &+ UInt64(byte - 0x30)
        }
        return value.map { $0 &* 1_024 }
    }

    private static func cpu() -> UInt64? {
        var usage = rusage()
        guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
        let seconds = UInt64(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        return seconds * 1_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    }
}
