// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// The worker that comes with IPCFrame: one job a file.
@main
struct IPCChild {
    static func main() {
        Worker.run(name: "ipc-child") { call in
            switch call.method {
            case "echo": try await EchoJob.run(call)
            case "digest": try await DigestJob.run(call)
            case "import": try await ImportJob.run(call)
            case "export": try await ExportJob.run(call)
            case "exec": try await ExecJob.run(call)
            default: throw Worker.unknownMethod(call.method)
            }
        }
    }
}
