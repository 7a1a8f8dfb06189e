// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What processes have needed of the machine.
enum Memory {
    /// VmHWM of /proc/self/status, bytes.
    static var peak: Int { bytes("VmHWM:", of: "/proc/self/status") }

    /// The same of another process.
    static func peak(of process: Int32) -> Int { bytes("VmHWM:", of: "/proc/\(process)/status") }

    /// PSS of /proc/self/smaps_rollup, bytes.
    static var proportional: Int { bytes("Pss:", of: "/proc/self/smaps_rollup") }

    private static func bytes(_ name: String, of path: String) -> Int {
        guard let content = try? Input.contents(of: path) else { return 0 }
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") where line.hasPrefix(name) {
            return (Int(line.filter { ("0"..."9").contains($0) }) ?? 0) * 1_024
        }
        return 0
    }

    /// What a process has used of the processors; 0 for this one.
    static func processorSeconds(of process: Int32 = 0) -> Double {
        var clock = clockid_t()
        var time = timespec()
        // Fill in one number, and one timespec.
        guard unsafe clock_getcpuclockid(process, &clock) == 0, unsafe clock_gettime(clock, &time) == 0 else {
            return 0
        }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
