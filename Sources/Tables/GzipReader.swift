// SPDX-License-Identifier: Apache-2.0

internal import CZlib

/// Undoes gzip where the bytes begin with its magic, and passes everything else on as it is.
///
/// Several gzip members in a row count as one, as gzip itself has it, and zero bytes behind the last are padding.
final class GzipReader: ByteSink {
    private enum State {
        case undecided
        case plain
        case member
        case betweenMembers
        case padding
    }

    static let pieceBytes = 128 << 10

    private let next: any ByteSink
    private let isRequired: Bool
    private var state = State.undecided
    private var prefix: [UInt8] = []
    private let inflater = Inflater()
    private var output = [UInt8](repeating: 0, count: GzipReader.pieceBytes)

    init(isRequired: Bool, next: any ByteSink) {
        self.isRequired = isRequired
        self.next = next
    }

    func take(_ bytes: Span<UInt8>) throws(TableError) {
        switch state {
        case .plain: try next.take(bytes, piece: Self.pieceBytes)
        case .undecided: try decide(bytes)
        default: try inflate(bytes)
        }
    }

    func end() throws(TableError) {
        switch state {
        case .undecided:
            guard prefix.isEmpty || !isRequired else { throw notGzip }
            state = .plain
            let short = prefix
            try next.take(short.span)
        case .member:
            throw TableError(.badData, "the gzip data ends in the middle: the delivery was cut off")
        default: break
        }
        try next.end()
    }

    private var notGzip: TableError {
        TableError(.badData, "compression=gzip, but the delivery does not begin with the magic of gzip (1f 8b)")
    }

    private func decide(_ bytes: Span<UInt8>) throws(TableError) {
        var at = 0
        while prefix.count < 2, at < bytes.count {
            prefix.append(bytes[at])
            at += 1
        }
        guard prefix.count == 2 else { return }
        let isGzip = prefix == [0x1F, 0x8B]
        guard isGzip || !isRequired else { throw notGzip }
        state = isGzip ? .betweenMembers : .plain
        let magic = prefix
        try take(magic.span)
        try take(bytes.extracting(at...))
    }

    private func inflate(_ bytes: Span<UInt8>) throws(TableError) {
        // Taken out while it is lent to the next stage, and given back for the next time.
        var output: [UInt8] = []
        swap(&output, &self.output)
        defer { swap(&output, &self.output) }
        var at = 0
        while at < bytes.count {
            switch state {
            case .betweenMembers:
                state = bytes[at] == 0 && inflater.hasEndedMember ? .padding : .member
                if state == .member { try inflater.beginMember() }
            case .padding:
                guard bytes[at] == 0 else { throw TableError(.badData, "bytes that are not gzip follow the gzip data") }
                at += 1
            default:
                let step = try inflater.inflate(bytes.extracting(at...), into: &output)
                at += step.read
                try next.take(output.span.extracting(..<step.written))
                if step.isEnd { state = .betweenMembers }
            }
        }
        // What the window of zlib still holds back comes out with no further input.
        while state == .member {
            let step = try inflater.inflate([UInt8]().span, into: &output)
            guard step.written > 0 else { break }
            try next.take(output.span.extracting(..<step.written))
        }
    }
}

/// One `z_stream` that inflates gzip members.
@safe
final class Inflater {
    /// What one call did.
    struct Step {
        let read: Int
        let written: Int
        let isEnd: Bool
    }

    // At a fixed address: zlib keeps a pointer back to it.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isOpen = false
    private(set) var hasEndedMember = false

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
    }

    deinit {
        if isOpen { unsafe inflateEnd(stream) }
        unsafe stream.deallocate()
    }

    /// Starts over for the next member.
    func beginMember() throws(TableError) {
        // 16 asks for gzip, with its checksum verified, and nothing else.
        let code =
            unsafe isOpen
            ? inflateReset(stream)
            : inflateInit2_(stream, 15 + 16, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
        guard code == Z_OK else { throw TableError(.internal, "zlib cannot start (\(code))") }
        isOpen = true
    }

    /// Inflates from `input` until that, or `output`, is used up.
    func inflate(_ input: Span<UInt8>, into output: inout [UInt8]) throws(TableError) -> Step {
        let (inputCount, outputCount) = (input.count, output.count)
        // zlib reads and writes within the two buffers, which outlive the call; it does not write to its input.
        let code = unsafe input.withUnsafeBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(source.count)
                unsafe stream.pointee.next_out = target.baseAddress
                unsafe stream.pointee.avail_out = UInt32(target.count)
                return unsafe CZlib.inflate(stream, Z_NO_FLUSH)
            }
        }
        guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
            let why = unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "code \(code)"
            throw TableError(.badData, "the gzip data is damaged: \(why)")
        }
        if code == Z_STREAM_END { hasEndedMember = true }
        return unsafe Step(
            read: inputCount - Int(stream.pointee.avail_in),
            written: outputCount - Int(stream.pointee.avail_out),
            isEnd: code == Z_STREAM_END
        )
    }
}
