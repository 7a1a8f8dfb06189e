// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The service under measurement, in a process of its own.
struct RunningService {
    let port: UInt16
    private let process = Process()

    init() throws {
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("heavy-service")
        process.standardOutput = output
        try process.run()
        // One line: the port.
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = UInt16(line.trimmingCharacters(in: .whitespacesAndNewlines)), port > 0 else {
            throw HTTPConnection.Failure(description: "heavy-service did not start: '\(line)'")
        }
        self.port = port
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
