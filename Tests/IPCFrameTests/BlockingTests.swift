// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// The drivers that block, against the asynchronous ones and against each other.
@Suite struct BlockingTests {
    /// What runs at an end of a test's connection.
    enum Driver: CaseIterable {
        case blocking
        case async
    }

    static let sizes = [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 5_000_000]

    /// Answers the calls of these tests, on a thread of its own.
    private static func startBlockingChild(_ socket: consuming OwnedDescriptor) -> Task<ConnectionEnd?, Never> {
        let descriptor = socket.release()
        let ended = Mutex<ConnectionEnd?>(nil)
        return Task {
            await CallThreads.shared.run {
                let link = BlockingLink(
                    OwnedDescriptor(adopting: descriptor),
                    role: .child,
                    name: "child",
                    limits: ConnectionLimits()
                )
                do throws(ConnectionEnd) {
                    try Worker.serve(link, nil, answer)
                } catch {
                    ended.withLock { $0 = error }
                }
            }.value
            return ended.withLock { $0 }
        }
    }

    private static func answer(_ call: BlockingCall) throws {
        switch call.method {
        case "echo": try call.respond(try call.collect(upTo: 1 << 30), arguments: call.arguments)
        case "stream":
            if let size = call.size { call.respond(size: size) }
            while let piece = try call.nextPiece() { try call.write(piece) }
        case "count":
            var count = 0
            while let piece = try call.nextPiece() { count += piece.count }
            call.trailer.counts = [Count("bytes", UInt64(count))]
        case "ignore": break
        case "short":
            call.respond(size: 10)
            try call.write([1])
        case "tell":
            call.log(.info, "a line")
            call.progress(Progress(completed: 1, total: 2, unit: "steps"))
        case "tell, then echo":
            // The opener is told, and then waits for the answer.
            call.progress(Progress(completed: 1, total: 2, unit: "steps"))
            usleep(200_000)
            try call.respond(try call.collect(upTo: 1 << 30))
        case "wait":
            for _ in 0..<10_000 where !call.isCancelled { usleep(1_000) }
            throw CallFailure(reason: call.isCancelled ? "cancelled in time" : "never cancelled")
        case "fail": throw CallFailure(.badData, exitCode: 65, reason: "the data are bad")
        case "begin badly":
            // The answer cannot begin, and the handler goes on.
            let argument = Argument("key", [UInt8](repeating: 1, count: 70_000))
            #expect(throws: CallError.self) {
                try call.respond([UInt8](repeating: 1, count: 300_000), arguments: [argument])
            }
        default: throw Worker.unknownMethod(call.method)
        }
    }

    private static func answer(_ call: IncomingCall) async throws {
        switch call.method {
        case "echo": try await call.respond(try await call.body.collect(upTo: 1 << 30), arguments: call.arguments)
        case "stream": try await ConnectionTests.echo(call)
        case "endless":
            let writer = call.respond()
            while true { try await writer.write([UInt8](repeating: 1, count: 100_000)) }
        case "never":
            while !call.isCancelled { try await Task.sleep(for: .milliseconds(5)) }
        case "fail": throw CallFailure(.badData, exitCode: 65, reason: "the data are bad")
        case "begin badly":
            // The answer cannot begin, and the handler goes on.
            let argument = Argument("key", [UInt8](repeating: 1, count: 70_000))
            await #expect(throws: CallError.self) {
                try await call.respond([UInt8](repeating: 1, count: 300_000), arguments: [argument])
            }
        default: throw Worker.unknownMethod(call.method)
        }
    }

    private static func sockets() throws -> (CInt, CInt) {
        var fds: [CInt] = [-1, -1]
        let result = unsafe clinux_socketpair(&fds)
        try #require(result == 0)
        return (fds[0], fds[1])
    }

    /// Runs `body` with a blocking parent on a thread of its own, against a child of either kind.
    private static func withBlockingParent(
        child driver: Driver,
        _ body: @escaping @Sendable (BlockingConnection) throws -> Void
    ) async throws {
        let (parent, child) = try sockets()
        let ended: Task<ConnectionEnd?, Never>
        switch driver {
        case .blocking: ended = startBlockingChild(OwnedDescriptor(adopting: child))
        case .async:
            var configuration = ConnectionConfiguration(name: "child")
            configuration.handle(with: answer)
            let connection = Connection(
                adopting: OwnedDescriptor(adopting: child),
                role: .child,
                configuration: configuration
            )
            connection.start()
            ended = Task { await connection.closed() }
        }
        let result = Mutex<Result<ConnectionEnd, any Error>?>(nil)
        await CallThreads.shared.run {
            let found = Result {
                let connection = BlockingConnection(adopting: OwnedDescriptor(adopting: parent), name: "parent")
                try connection.handshake()
                try body(connection)
                return connection.close()
            }
            result.withLock { $0 = found }
        }.value
        let outcome = result.withLock { $0 }
        #expect(try outcome?.get() == .orderly)
        #expect(await ended.value == .orderly)
    }

    /// An asynchronous parent of a blocking child.
    private static func withBlockingChild(_ body: (Connection) async throws -> Void) async throws {
        let (parent, child) = try sockets()
        let ended = startBlockingChild(OwnedDescriptor(adopting: child))
        let connection = Connection(adopting: OwnedDescriptor(adopting: parent), role: .parent)
        connection.start()
        _ = try await connection.handshake()
        try await body(connection)
        await connection.drain()
        #expect(await connection.closed() == .orderly)
        #expect(await ended.value == .orderly)
    }

    // MARK: Bodies

    @Test("A body of any size comes back as it was", arguments: Driver.allCases, [BodyCodec.none, .zlib])
    func echoes(child: Driver, codec: BodyCodec) async throws {
        try await Self.withBlockingParent(child: child) { parent in
            for count in Self.sizes {
                let bytes = ConnectionTests.pattern(count)
                for method in ["echo", "stream"] {
                    var options = CallOptions()
                    options.codec = codec
                    let answer = try parent.call(method, body: bytes, options: options)
                    #expect(answer.body == bytes, "\(method) of \(count)")
                    #expect(answer.trailer.peakRSS != nil)
                }
            }
        }
    }

    @Test("… and to a parent that does not block", arguments: [BodyCodec.none, .zlib])
    func echoesOfABlockingChild(codec: BodyCodec) async throws {
        try await Self.withBlockingChild { parent in
            for count in Self.sizes {
                let bytes = ConnectionTests.pattern(count)
                for method in ["echo", "stream"] {
                    var options = CallOptions()
                    options.codec = codec
                    let call = try await parent.call(method, body: .bytes(bytes), options: options)
                    #expect(try await call.response().body.collect(upTo: 1 << 30) == bytes, "\(method) of \(count)")
                }
            }
        }
    }

    @Test("Both ends send at once, more than any window, and none waits for ever", arguments: Driver.allCases)
    func streamsBothWays(child: Driver) async throws {
        try await Self.withBlockingParent(child: child) { parent in
            var sent = CRC32Digest()
            var received = CRC32Digest()
            var left = 200
            _ = try parent.call("stream", options: CallOptions()) {
                guard left > 0 else { return nil }
                left -= 1
                let piece = [UInt8](repeating: UInt8(left), count: 250_000)
                sent.update(piece)
                return piece
            } receiving: {
                received.update($0)
            }
            #expect(received.value == sent.value)
        }
    }

    @Test func manyCallsFollowEachOther() async throws {
        try await Self.withBlockingParent(child: .blocking) { parent in
            for number in 0..<2_000 {
                let answer = try parent.call("echo", arguments: [Argument("n", "\(number)")], body: [1, 2, 3])
                #expect(answer.body == [1, 2, 3])
                #expect(answer.arguments == [Argument("n", "\(number)")])
            }
        }
    }

    @Test func aSmallCallAndItsAnswerAreOneWriteEach() async throws {
        try await Self.withBlockingParent(child: .blocking) { parent in
            _ = try parent.call("echo", body: [1])
            let (writes, reads) = (parent.link.state.writer.writes, parent.link.state.reader.reads)
            for _ in 0..<100 { _ = try parent.call("echo", body: [1, 2, 3]) }
            #expect(parent.link.state.writer.writes - writes == 100)
            #expect(parent.link.state.reader.reads - reads == 100)
        }
    }

    @Test("The memory of one answer serves for the next", arguments: Driver.allCases)
    func memoryIsUsedAgain(child: Driver) async throws {
        try await Self.withBlockingParent(child: child) { parent in
            var options = CallOptions()
            options.codec = .none
            var memory: [UInt8] = []
            var addresses: Set<Int> = []
            for count in [3_000_000, 100, 2_000_000, 0, 3_000_000] {
                let bytes = ConnectionTests.pattern(count)
                _ = try parent.call("echo", body: bytes, options: options, into: &memory)
                #expect(memory == bytes)
                // Only told apart, never followed.
                addresses.insert(unsafe memory.withUnsafeBytes { Int(bitPattern: $0.baseAddress) })
            }
            #expect(addresses.count == 1)
            #expect(throws: CallError.tooLarge(limit: 1)) {
                try parent.call("echo", body: [1, 2], options: options, into: &memory, upTo: 1)
            }
            #expect(memory.isEmpty)
        }
    }

    @Test func callsThatComeAtOnceAreAnsweredInTurn() async throws {
        try await Self.withBlockingChild { parent in
            var calls: [OutgoingCall] = []
            for number in 0..<50 { calls.append(try await parent.call("echo", body: .bytes([UInt8(number)]))) }
            for (number, call) in calls.enumerated() {
                #expect(try await call.response().body.collect(upTo: 10) == [UInt8(number)])
            }
        }
    }

    // MARK: What goes wrong

    @Test("A failure is told, and the connection goes on", arguments: Driver.allCases)
    func failures(child: Driver) async throws {
        try await Self.withBlockingParent(child: child) { parent in
            let bad = CallError.failed(RemoteError(code: .badData, exitCode: 65, reason: "the data are bad"))
            #expect { try parent.call("fail") } throws: { error in
                guard case .failed(let told)? = error as? CallError, case .failed(let wanted) = bad else {
                    return false
                }
                return told.code == wanted.code && told.exitCode == wanted.exitCode && told.reason == wanted.reason
            }
            #expect { try parent.call("nonsense") } throws: {
                ($0 as? CallError)?.description.contains("nonsense") == true
            }
            #expect(throws: CallError.methodNameLength(0)) { try parent.call("") }
            var options = CallOptions()
            options.timeout = .seconds(60)
            #expect {
                try parent.call("begin badly", options: options)
            } throws: { error in
                if case CallError.failed(let told) = error { told.code != .deadlineExceeded } else { false }
            }
            #expect(throws: CallError.tooLarge(limit: 10)) {
                try parent.call("echo", body: [UInt8](repeating: 1, count: 11), upTo: 10)
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    @Test func aSourceThatFailsOrLiesGivesUpTheCallOnly() async throws {
        struct Broken: Error {}
        try await Self.withBlockingParent(child: .blocking) { parent in
            var pieces = 0
            #expect(throws: Broken.self) {
                try parent.call("count") {
                    pieces += 1
                    if pieces == 3 { throw Broken() }
                    return [UInt8](repeating: 1, count: 300_000)
                } receiving: { _ in
                }
            }
            #expect {
                try parent.call("count", size: 5) {
                    nil
                } receiving: { _ in
                }
            } throws: {
                if case .source? = $0 as? CallError { true } else { false }
            }
            #expect(throws: Broken.self) {
                try parent.call("echo", size: nil, sending: Self.once([1, 2])) { _ in throw Broken() }
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    private static func once(_ bytes: [UInt8]) -> () -> [UInt8]? {
        var rest: [UInt8]? = bytes
        return {
            defer { rest = nil }
            return rest
        }
    }

    @Test func aBodyOfUnknownSizeMayBeEmptyAndOneThatNobodyReadsIsNotSent() async throws {
        try await Self.withBlockingParent(child: .blocking) { parent in
            let none = try parent.call("count") {
                nil
            } receiving: { _ in
            }
            #expect(none.trailer.counts == [Count("bytes", 0)])
            var pieces = 0
            _ = try parent.call("ignore") {
                pieces += 1
                return [UInt8](repeating: 1, count: 100_000)
            } receiving: { _ in
            }
            #expect(pieces < 100, "an endless body that is not read must not be sent")
            #expect { try parent.call("short") } throws: { "\($0)".contains("announced 10 bytes and wrote 1") }
        }
    }

    @Test func aDeadlineGivesUpTheCallAndNotTheConnection() async throws {
        try await Self.withBlockingParent(child: .async) { parent in
            var options = CallOptions()
            options.timeout = .milliseconds(100)
            for method in ["never", "endless"] {
                #expect {
                    _ = try parent.call(method, options: options) {
                        nil
                    } receiving: { _ in
                    }
                } throws: { error in
                    guard case .failed(let told)? = error as? CallError else { return false }
                    return told.code == .deadlineExceeded
                }
            }
            let answer = try parent.call("echo", body: [7])
            #expect(answer.body == [7])
        }
    }

    @Test func aBlockingChildNoticesACancelAndAnswersPingsWhenItLooks() async throws {
        try await Self.withBlockingChild { parent in
            let call = try await parent.call("wait")
            _ = try await parent.ping()
            call.cancel()
            await #expect(throws: CallError.cancelled) { _ = try await call.response() }
            await call.finished()
            #expect(await parent.openCalls == 0)
        }
    }

    @Test(.timeLimit(.minutes(5))) func aHandlerThatLooksAfterTheParentsLastWordDoesNotSpin() async throws {
        let (parent, child) = try Self.sockets()
        let ended = Self.startBlockingChild(OwnedDescriptor(adopting: child))
        var machine = ConnectionStateMachine(role: .parent)
        var reader = FrameReader()
        var writer = FrameWriter()
        func step() {
            while machine.nextAction() != nil {}
            _ = writer.write(to: parent) { machine.nextFrame() }
        }
        while machine.phase != .open {
            step()
            guard case .frame(let header, let payload) = reader.next(from: parent, waits: true, admit: { _ in true })
            else { break }
            machine.receive(header, payload: payload)
        }
        // A call that looks whether it is cancelled; then BYE, though the call is open, and the end of the file.
        _ = try machine.openCall(Request(method: "wait", offer: Offer(size: 0)))
        machine.sendEnd(1, digest: 0, trailer: Trailer())
        step()
        var bye: [UInt8] = []
        FrameHeader(.bye).encode(into: &bye)
        #expect(unsafe write(parent, bye, bye.count) == bye.count)
        _ = clinux_shutdown_write(parent)
        #expect(await ended.value != nil)
        _ = close(parent)
    }

    @Test func progressAndLogLinesAreHandedOut() async throws {
        try await Self.withBlockingParent(child: .blocking) { parent in
            var told: [String] = []
            _ = try parent.call(
                "tell",
                onEvent: { event in
                    switch event {
                    case .log(let line): told.append(line.text)
                    case .progress(let progress): told.append("\(progress.completed)")
                    }
                }
            )
            #expect(told == ["a line", "1"])
        }
    }

    @Test("What nobody wants to be told of keeps no call from its answer", .timeLimit(.minutes(1)))
    func eventsThatNobodyWantsAreDropped() async throws {
        try await Self.withBlockingParent(child: .blocking) { parent in
            // Small, and too large for one frame each way.
            for count in [3, 300_000] {
                let body = ConnectionTests.pattern(count)
                let answer = try parent.call("tell, then echo", body: body)
                #expect(answer.body == body)
            }
        }
    }

    @Test func aParentThatVanishesEndsTheChildAndOneThatIsNotThereIsNoticed() async throws {
        let (parent, child) = try Self.sockets()
        let ended = Self.startBlockingChild(OwnedDescriptor(adopting: child))
        _ = close(parent)
        #expect(await ended.value == .peerVanished(duringFrame: false))

        let (alone, other) = try Self.sockets()
        defer { _ = close(other) }
        let connection = BlockingConnection(adopting: OwnedDescriptor(adopting: alone))
        #expect(throws: ConnectionEnd.handshakeTimedOut) { try connection.handshake(timeout: .milliseconds(50)) }
    }
}
