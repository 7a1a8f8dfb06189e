// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// `echo`: the body comes back as it is.
enum EchoJob {
    static func run(_ call: IncomingCall) async throws {
        try JobArguments(call).finish()
        let writer = call.respond(size: call.body.size)
        for try await piece in call.body { try await writer.write(piece) }
    }
}
