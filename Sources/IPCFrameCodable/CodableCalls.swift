// SPDX-License-Identifier: Apache-2.0
internal import Foundation
public import IPCFrame

// Typed calls: JSON in the request body, JSON in the response body. A thin layer above bytes, in a module of its own
// because it needs Foundation, which a worker that starts in a millisecond does not load.

extension Connection {
    /// Calls a method with a value and gets a value back.
    ///
    /// - Parameters:
    ///   - method: the method's name, 1 to 256 bytes.
    ///   - input: sent as JSON.
    ///   - output: what the answer's JSON is decoded to.
    ///   - limit: bytes of JSON that the answer may have.
    ///   - options: how the call is made.
    /// - Returns: the decoded answer.
    /// - Throws: `CallError`; `EncodingError` before anything is sent; `DecodingError` for an answer that is not that.
    public nonisolated func call<Input: Encodable, Output: Decodable>(
        _ method: String,
        with input: Input,
        returning output: Output.Type = Output.self,
        upTo limit: UInt64 = 64 << 20,
        options: CallOptions = CallOptions()
    ) async throws -> Output {
        let body = OutboundBody.bytes([UInt8](try JSONEncoder().encode(input)))
        let answer = try await call(method, body: body, options: options, upTo: limit)
        return try JSONDecoder().decode(Output.self, from: Data(answer.body))
    }
}

extension IncomingCall {
    /// The request body as a value, of at most `limit` bytes of JSON.
    ///
    /// Fails with `CallError`, or with a `CallFailure` (65, bad data) that names where the JSON is wrong.
    public func decode<Input: Decodable>(_ type: Input.Type = Input.self, upTo limit: UInt64 = 64 << 20) async throws
        -> Input
    {
        let bytes = try await body.collect(upTo: limit)
        do {
            return try JSONDecoder().decode(Input.self, from: Data(bytes))
        } catch {
            throw CallFailure(
                .badData,
                exitCode: 65,
                reason: "the request of '\(method)' is not what it takes: \(error)"
            )
        }
    }

    /// Answers with a value as JSON.
    public func respond<Output: Encodable>(encoding output: Output) async throws {
        try await respond([UInt8](try JSONEncoder().encode(output)))
    }
}
