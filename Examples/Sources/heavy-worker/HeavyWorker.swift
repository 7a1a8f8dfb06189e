// SPDX-License-Identifier: Apache-2.0
import HeavyWork
import IPCFrame

/// The work of `GET /heavy`, in a process of its own.
@main
struct HeavyWorker {
    static func main() {
        Worker.run(name: "heavy-worker") { call in
            guard call.method == "heavy" else { throw Worker.unknownMethod(call.method) }
            guard let milliseconds = call["ms"].flatMap(Int.init) else {
                throw CallFailure(.badData, exitCode: 65, reason: "'ms' is not a number")
            }
            let checksum = HeavyWork.run(milliseconds: milliseconds)
            try await call.respond(Array("\(checksum)\n".utf8))
        }
    }
}
