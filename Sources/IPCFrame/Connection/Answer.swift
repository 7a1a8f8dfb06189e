// SPDX-License-Identifier: Apache-2.0

/// The whole answer to a call.
public struct Answer: Sendable {
    /// The status arguments.
    public let arguments: [Argument]
    /// The body; none of it if it was handed out piece by piece, or collected in memory of the caller's.
    public let body: [UInt8]
    /// What the answerer told at the end.
    public let trailer: Trailer
}
