// SPDX-License-Identifier: Apache-2.0

/// The whole answer to a call.
public struct Answer: Sendable {
    /// The status arguments.
    public let arguments: [Argument]
    /// The body; none of it if it was handed out piece by piece, or collected in memory of the caller's.
    public let body: [UInt8]
    /// What the answerer told at the end.
    public let trailer: Trailer

    init(arguments: [Argument], body: [UInt8], trailer: Trailer) {
        self.arguments = arguments
        self.body = body
        self.trailer = trailer
    }

    /// One that has come as a whole.
    init(_ head: ResponseHead, _ whole: WholeBody, upTo limit: UInt64) throws(CallError) {
        guard whole.bytes.count <= limit else { throw .tooLarge(limit: limit) }
        self.init(arguments: head.arguments, body: try whole.checked(as: head.offer), trailer: whole.trailer)
    }
}
