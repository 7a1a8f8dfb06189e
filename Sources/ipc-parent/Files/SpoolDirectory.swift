// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Where files are kept that nobody is to see.
enum SpoolDirectory {
    /// What TMPDIR names, or /tmp.
    static var path: String {
        // Nobody changes the environment of this process.
        guard let value = unsafe getenv("TMPDIR") else { return "/tmp" }
        let directory = unsafe String(cString: value)
        return directory.isEmpty ? "/tmp" : directory
    }
}
