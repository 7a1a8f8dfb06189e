// SPDX-License-Identifier: Apache-2.0
internal import IPCFrame

/// What `--version` prints.
enum Version {
    static let number = "0.1.0"
    static let placeholder = "ipc-parent " + number

    /// The version, the protocol's, and the libraries that compress.
    static var text: String {
        """
        \(placeholder)
        protocol 1
        \(ChunkCodec.zlib)
        codec in force: \(ChunkCodec.inForce)
        """
    }
}
