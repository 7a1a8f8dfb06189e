// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Testing

@testable import IPCFrame

/// A file of a test's own, gone when nobody holds it any more.
final class ScratchFile: Sendable {
    let path: String
    let descriptor: CInt

    init(_ bytes: [UInt8]) throws {
        var template = Array("/tmp/ipcframe-file-XXXXXX".utf8CString)
        descriptor = unsafe mkstemp(&template)
        try #require(descriptor >= 0)
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes[written...].withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            try #require(count > 0)
            written += count
        }
    }

    /// One more descriptor of it; the caller closes it.
    func open(_ flags: CInt) throws -> CInt {
        let file = unsafe Glibc.open(path, flags | O_CLOEXEC)
        try #require(file >= 0)
        return file
    }

    deinit {
        _ = close(descriptor)
        _ = unsafe unlink(path)
    }
}

/// A parent that keeps every rule of the frames, and sends any descriptor that it is told to.
final class FilePeer {
    private var machine: ConnectionStateMachine
    private var reader = FrameReader()
    private var writer = FrameWriter()
    private let socket: CInt
    private var passed: PassedDescriptor?
    private var answer: [UInt8] = []
    private var isOpen = false
    private var isOver = false
    private var failure: ErrorCode?

    /// How a call ended.
    enum Outcome: Equatable {
        case success([UInt8])
        case failure(ErrorCode)
    }

    /// With a child at the other end that answers with the CRC-32 of the body, as ``crc(_:)`` gives it.
    init() throws {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        socket = fds[0]
        var rules = ConnectionStateMachine.Configuration()
        rules.capabilities.features = Capabilities.descriptor
        machine = ConnectionStateMachine(role: .parent, configuration: rules)
        var configuration = ConnectionConfiguration(name: "child")
        configuration.handle(with: Self.digest)
        let reactor = Reactor(name: "child")
        reactor.start()
        Connection(
            adopting: OwnedDescriptor(adopting: fds[1]),
            role: .child,
            reactor: reactor,
            configuration: configuration
        ).start()
        try run { isOpen }
    }

    deinit { _ = close(socket) }

    static func digest(_ call: IncomingCall) async throws {
        var digest = CRC32Digest()
        for try await piece in call.body { digest.update(piece) }
        try await call.respond(bytes(of: digest))
    }

    static func crc(_ body: [UInt8]) -> [UInt8] {
        var digest = CRC32Digest()
        digest.update(body)
        return bytes(of: digest)
    }

    private static func bytes(of digest: CRC32Digest) -> [UInt8] {
        Sample.encoded { $0.appendLittleEndian(digest.value) }
    }

    /// A call whose body is said to lie in `file`, which is closed; without a file none is sent.
    ///
    /// - Returns: the answer, or why there is none.
    func send(_ file: CInt?, offset: UInt64, count: UInt64) throws -> Outcome {
        passed = file.map { PassedDescriptor(adopting: $0) }
        (answer, failure, isOver) = ([], nil, false)
        let offer = Offer(size: count, delivery: .descriptor, isHeld: true)
        let id = try machine.openCall(Request(method: "digest", offer: offer))
        try run { machine.canSendFile(id) }
        machine.send(try #require(FileRange(offset: offset, count: count)), on: id)
        machine.sendEnd(id, digest: 0, trailer: Trailer())
        try run { isOver }
        passed = nil
        return failure.map(Outcome.failure) ?? .success(answer)
    }

    private func run(until isDone: () -> Bool) throws {
        while true {
            while let action = machine.nextAction() { try note(action) }
            _ = writer.write(to: socket, next: { machine.nextFrame() }, passed: { _ in passed })
            while let action = machine.nextAction() { try note(action) }
            if isDone() { return }
            guard case .frame(let header, let payload) = reader.next(from: socket, waits: true, admit: admit) else {
                throw CallError.connection(.aborted)
            }
            machine.receive(header, payload: payload)
        }
    }

    private func admit(_ header: FrameHeader) -> Bool { machine.admit(header) }

    private func note(_ action: MachineAction) throws {
        switch action {
        case .open: isOpen = true
        case .deliver(_, let chunk): answer += chunk.bytes
        case .end(let id, _): machine.takeIfSentAtOnce(id)
        case .failed(_, let error): failure = error.code
        case .forgotten: isOver = true
        case .close(let end): throw CallError.connection(end)
        default: break
        }
    }
}
