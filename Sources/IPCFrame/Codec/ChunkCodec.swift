// SPDX-License-Identifier: Apache-2.0

import CLinux
import CZlib
import Glibc

/// Which library deflates, inflates and computes CRC-32.
///
/// The wire is RFC 1950 whichever it is.
///
/// ISA-L where it is installed, for it is several times faster; else zlib, which is linked. The environment variable
/// `IPCFRAME_CODEC` (`isal` or `zlib`) forces one.
package enum ChunkCodec: Sendable {
    case zlib
    case isal

    /// The choice of this process, made once.
    package static let choice = Choice(
        environment: unsafe getenv("IPCFRAME_CODEC").map { unsafe String(cString: $0) },
        isalLoad: clinux_isal_load
    )

    /// The library in force.
    ///
    /// It is loaded when this is asked for first: not by a worker that only starts.
    package static var current: ChunkCodec { choice.codec }

    /// The library in force and its version, for `--version` and the report: `isa-l 2.30`.
    package static var inForce: String { current.description }

    /// Whether this process can use the library.
    package var isAvailable: Bool {
        switch self {
        case .zlib: true
        case .isal: clinux_isal_load() == 0
        }
    }

    /// What was chosen, and what a person should hear about it.
    package struct Choice: Equatable, Sendable {
        package let codec: ChunkCodec
        /// A wish that could not be met; nil when all is well.
        package let notice: String?

        package init(environment: String?, isalLoad: () -> CInt) {
            switch environment {
            case "zlib":
                codec = .zlib
                notice = nil
            case nil, "":
                codec = isalLoad() == 0 ? .isal : .zlib
                notice = nil
            case "isal":
                let result = isalLoad()
                codec = result == 0 ? .isal : .zlib
                notice =
                    result == 0
                    ? nil : "IPCFRAME_CODEC asks for isal, but \(Self.reason(result)); zlib is used instead"
            case .some(let other):
                codec = isalLoad() == 0 ? .isal : .zlib
                notice = "IPCFRAME_CODEC is '\(other)', not 'isal' or 'zlib'; it is ignored"
            }
        }

        private static func reason(_ result: CInt) -> String {
            switch result {
            case -ENOSYS: "this program was built without it (install libisal-dev and build again)"
            case -ENOENT: "libisal.so.2 cannot be loaded (install libisal2)"
            default: "the libisal.so.2 found here does not work as expected"
            }
        }
    }
}

extension ChunkCodec: CustomStringConvertible {
    /// The library's name and version.
    package var description: String {
        switch self {
        case .zlib: unsafe "zlib " + String(cString: zlibVersion())
        case .isal: unsafe "isa-l " + (isAvailable ? String(cString: clinux_isal_version()) : "(not available)")
        }
    }
}

/// Why a compressed chunk is not what it declared to be.
package enum CodecError: Error, Equatable, Sendable {
    /// The stream is damaged: header, code or checksum.
    case damaged
    /// It ends early, or inflates to less than was declared.
    case tooShort
    /// It inflates to more than was declared.
    case tooLong
    /// Bytes follow the stream's end.
    case trailingBytes
}

extension CodecError: CustomStringConvertible {
    /// One line, fit for a log.
    package var description: String {
        switch self {
        case .damaged: "the chunk's zlib stream is damaged"
        case .tooShort: "the chunk inflates to less than it declared, or is cut off"
        case .tooLong: "the chunk inflates to more than it declared"
        case .trailingBytes: "bytes follow the end of the chunk's zlib stream"
        }
    }
}

/// The CRC-32 of RFC 1952 over bytes that come piece by piece.
package struct CRC32Digest: Equatable, Sendable {
    /// The digest of everything so far.
    package private(set) var value: UInt32 = 0
    private let codec: ChunkCodec

    /// With the library in force, unless another is named.
    package init(codec: ChunkCodec? = nil) {
        self.codec = codec ?? .current
    }

    package mutating func update(_ bytes: Span<UInt8>) {
        let before = value
        let codec = codec
        value = unsafe bytes.withUnsafeBufferPointer { buffer in
            switch codec {
            // Reads `buffer.count` bytes of a live buffer, nothing else.
            case .isal: unsafe clinux_isal_crc32(before, buffer.baseAddress, UInt64(buffer.count))
            case .zlib: unsafe UInt32(truncatingIfNeeded: crc32_z(UInt(before), buffer.baseAddress, buffer.count))
            }
        }
    }

    package mutating func update(_ bytes: [UInt8]) {
        update(bytes.span)
    }

    /// Whether it takes so little (ISA-L: a tenth of the kernel's copy) that whoever has just touched the bytes had best
    /// do it: of bytes that must come from memory first it takes five times as long.
    package var isCheap: Bool { codec == .isal }

    /// The next `count` bytes, whose own digest is known.
    mutating func append(_ digest: UInt32, count: Int) {
        value = UInt32(truncatingIfNeeded: crc32_combine(UInt(value), UInt(digest), count))
    }
}
