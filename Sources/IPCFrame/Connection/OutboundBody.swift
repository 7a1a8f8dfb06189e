// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Glibc

/// A body to be sent with a call.
public struct OutboundBody: Sendable {
    /// Raw bytes, where known.
    ///
    /// A source that gives more or fewer fails the call.
    public let size: UInt64?
    /// The whole body, when it is in memory.
    let bytes: [UInt8]?
    /// Where the whole body lies, when it is in a file.
    let part: FilePart?
    /// Whether the same body can be sent again, as a retried call needs: bytes and files can, other sources cannot.
    public let isRepeatable: Bool
    /// Where the pieces come from.
    let placement: Placement
    /// Begins at the beginning, if the body is repeatable.
    let begin: @Sendable () -> NextPiece

    /// Hands all of it to `send`, piece by piece.
    ///
    /// - Throws: ``CallError/source(_:)`` when the source fails, or does not give as many bytes as it has announced.
    func forEachPiece(_ send: ([UInt8]) async throws(CallError) -> Void) async throws(CallError) {
        if let bytes { return try await send(bytes) }
        var sent: UInt64 = 0
        let next = begin()
        while let piece = try await Self.piece(next) {
            sent += UInt64(piece.count)
            if let size, sent > size {
                throw .source("it gave more than the \(size) bytes that were announced")
            }
            try await send(piece)
        }
        if let size, sent < size {
            throw .source("it ended after \(sent) of the \(size) bytes that were announced")
        }
    }

    private static func piece(_ next: NextPiece) async throws(CallError) -> [UInt8]? {
        do {
            return try await next()
        } catch {
            // Also when it is an error of another call, whose body this one passes on.
            throw .source("\(error)")
        }
    }

    /// Gives the next piece, of any size; nil at the end.
    ///
    /// May block, where ``placement`` says so.
    typealias NextPiece = @Sendable @concurrent () async throws -> [UInt8]?

    private init(
        size: UInt64?,
        bytes: [UInt8]? = nil,
        part: FilePart? = nil,
        isRepeatable: Bool,
        placement: Placement = .onThread,
        begin: @escaping @Sendable () -> NextPiece
    ) {
        self.size = size
        self.bytes = bytes
        self.part = part
        self.isRepeatable = isRepeatable
        self.placement = placement
        self.begin = begin
    }

    /// No bytes at all.
    public static var none: OutboundBody { bytes([]) }

    /// Bytes in memory.
    public static func bytes(_ bytes: [UInt8]) -> OutboundBody {
        OutboundBody(size: UInt64(bytes.count), bytes: bytes, isRepeatable: true) { { nil } }
    }

    /// Pieces from wherever they come; `size` in raw bytes, nil when it is not known beforehand.
    ///
    /// `next` is called on a thread of its own and may block; with ``Placement/onReactor`` it must not, and is called on
    /// the connection's, as long as nothing is compressed. Of an answer it is called where the handler runs.
    public static func pieces(
        size: UInt64? = nil,
        placement: Placement = .onThread,
        _ next: @escaping @Sendable @concurrent () async throws -> [UInt8]?
    ) -> OutboundBody {
        OutboundBody(size: size, isRepeatable: false, placement: placement) { next }
    }

    /// The elements of an async sequence; it is iterated once.
    public static func sequence<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces,
        size: UInt64? = nil
    ) -> OutboundBody where Pieces.Element == [UInt8] {
        let source = SequenceSource(pieces)
        return .pieces(size: size) { try await source.next() }
    }

    /// A whole file, from its beginning, opened now and closed when the body has been sent or dropped.
    ///
    /// - Throws: `SystemError` when it is no regular file or cannot be opened for reading.
    public static func file(path: String) throws(SystemError) -> OutboundBody {
        let file = OwnedDescriptor(adopting: try SystemError.check("open", openForReading(path)))
        var status = stat()
        let result = file.withRawValue { unsafe fstat($0, &status) == 0 ? 0 : -errno }
        try SystemError.check("fstat", result)
        guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError(call: "open", errno: ESPIPE) }
        let count = UInt64(max(0, status.st_size))
        return Self.file(OpenFile(file.release(), isOwner: true), offset: 0, count: count, isWhole: true)
    }

    private static func openForReading(_ path: String) -> CInt {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        return file >= 0 ? file : -errno
    }

    /// A part of a file, read with pread(2): the descriptor's offset does not move.
    ///
    /// The descriptor `file` is kept open by the caller until the call is over; the body begins at `offset` and has
    /// `count` raw bytes, which the file must have when they are read.
    public static func file(descriptor file: CInt, offset: UInt64 = 0, count: UInt64) -> OutboundBody {
        Self.file(OpenFile(file, isOwner: false), offset: offset, count: count, isWhole: false)
    }

    /// Bytes in memory that can never change, for many calls: with ``CallOptions/Delivery/descriptor`` each receiver reads
    /// the same memory, and no byte of it crosses the connection.
    ///
    /// - Throws: `SystemError` when the memory cannot be had.
    public static func sealed(_ bytes: [UInt8]) throws(SystemError) -> OutboundBody {
        // The array's own bytes, for the length of the call.
        let file = unsafe bytes.withUnsafeBytes { unsafe clinux_file_sealed($0.baseAddress, $0.count) }
        let owner = OpenFile(try SystemError.check("memfd_create", file), isOwner: true)
        return Self.file(owner, offset: 0, count: UInt64(bytes.count), isWhole: true)
    }

    private static func file(_ file: OpenFile, offset: UInt64, count: UInt64, isWhole: Bool) -> OutboundBody {
        let part = FileRange(offset: offset, count: count).map { FilePart(file: file, range: $0, isWhole: isWhole) }
        return OutboundBody(size: count, part: part, isRepeatable: true) {
            let source = FileSource(file: file, offset: offset, end: offset + count)
            return { try await source.next() }
        }
    }
}

/// Iterates a sequence for a closure that may be called from anywhere, one call after another.
private actor SequenceSource<Pieces: AsyncSequence & Sendable> where Pieces.Element == [UInt8] {
    private var iterator: Pieces.AsyncIterator

    init(_ pieces: Pieces) {
        iterator = pieces.makeAsyncIterator()
    }

    func next() async throws -> [UInt8]? {
        var current = iterator
        defer { iterator = current }
        return try await current.next(isolation: self)
    }
}

/// Reads a file piece by piece.
private actor FileSource {
    private static let pieceBytes = 256 << 10

    private let file: OpenFile
    private var offset: UInt64
    private let end: UInt64

    init(file: OpenFile, offset: UInt64, end: UInt64) {
        self.file = file
        self.offset = offset
        self.end = end
    }

    func next() throws(SystemError) -> [UInt8]? {
        guard offset < end else { return nil }
        let wanted = Int(min(UInt64(Self.pieceBytes), end - offset))
        var failure: CInt = 0
        // pread fills what it says it has filled.
        let piece = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            let result = unsafe pread(file.descriptor, buffer.baseAddress, wanted, off_t(offset))
            count = max(0, result)
            if result < 0 { failure = errno }
        }
        guard failure == 0 else { throw SystemError(call: "read", errno: failure) }
        // Shorter than it was: the size check of the sender says so.
        guard !piece.isEmpty else { return nil }
        offset += UInt64(piece.count)
        return piece
    }
}
