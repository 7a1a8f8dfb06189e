// SPDX-License-Identifier: Apache-2.0
import IPCFrame

/// `digest`: one line, the body's CRC-32 as 8 lower-case hex digits, a space, its byte count.
enum DigestJob {
    static func run(_ call: IncomingCall) async throws {
        try JobArguments(call).finish()
        var digest = CRC32Digest()
        var count: UInt64 = 0
        for try await piece in call.body {
            digest.update(piece)
            count += UInt64(piece.count)
        }
        let digits = String(digest.value, radix: 16)
        let line = String(repeating: "0", count: 8 - digits.count) + digits + " \(count)\n"
        try await call.respond(Array(line.utf8))
    }
}
