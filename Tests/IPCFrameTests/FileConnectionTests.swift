// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization
import Testing

@testable import IPCFrame

/// Bodies that go as open files.
@Suite struct FileConnectionTests {
    private static func options(
        _ delivery: CallOptions.Delivery = .descriptor,
        digest: BodyDigest = .crc32,
        isHeld: Bool = false
    ) -> CallOptions {
        var options = CallOptions()
        options.codec = .none
        options.delivery = delivery
        options.digest = digest
        options.holdsBody = isHeld
        return options
    }

    @Test(
        "A body of any size is read out of its file",
        arguments: [0, 1, 65_536, 65_537, 262_144, 262_145, 1 << 20],
        [false, true]
    )
    func echoes(count: Int, isHeld: Bool) async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(count)
        let file = try ScratchFile(bytes)
        let options = Self.options(isHeld: isHeld)
        let call = try await pair.parent.call("echo", body: .file(path: file.path), options: options)
        let found = try await call.response().body.collect(upTo: 10_000_000)
        #expect(found == bytes)
        await call.finished()
        let statistics = call.statistics
        #expect(statistics.filesPassed == (count > 65_536 || isHeld && count > 0 ? 1 : 0))
        #expect(statistics.bytesSent == UInt64(count) && statistics.bytesReceived == UInt64(count))
        if statistics.filesPassed > 0 { #expect(statistics.wireBytesSent == 32) }
        await pair.close()
    }

    @Test func aLargeFileIsReadPieceByPieceAndItsSenderHearsOfIt() async throws {
        let pair = try await ConnectedPair(handler: FilePeer.digest)
        let bytes = ConnectionTests.pattern(64 << 20)
        let file = try ScratchFile(bytes)
        let call = try await pair.parent.call("digest", body: .file(path: file.path), options: Self.options())
        #expect(try await call.response().body.collect(upTo: 100) == FilePeer.crc(bytes))
        await call.finished()
        #expect(call.statistics.filesPassed == 1 && call.statistics.bytesSent == 64 << 20)
        await pair.close()
    }

    @Test func aPartOfAFileIsReadAndTheDescriptorsOffsetStaysWhereItWas() async throws {
        let pair = try await ConnectedPair(handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(1_000_000)
        let file = try ScratchFile(bytes)
        // Writable here: its receiver gets one that is not.
        #expect(lseek(file.descriptor, 5, SEEK_SET) == 5)
        let body = OutboundBody.file(descriptor: file.descriptor, offset: 300_001, count: 500_000)
        for _ in 0..<2 {
            let call = try await pair.parent.call("echo", body: body, options: Self.options())
            let found = try await call.response().body.collect(upTo: 1_000_000)
            #expect(found == Array(bytes[300_001..<800_001]))
            #expect(call.statistics.filesPassed == 1)
        }
        #expect(lseek(file.descriptor, 0, SEEK_CUR) == 5)
        await pair.close()
    }

    @Test func aFileThatBecomesShorterFailsItsCallAndNothingElse() async throws {
        let file = try ScratchFile(ConnectionTests.pattern(2_000_000))
        let found = Mutex<CallError?>(nil)
        let pair = try await ConnectedPair { call in
            guard call.method == "cut" else { return try await ConnectionTests.echo(call) }
            _ = try await call.body.nextPiece()
            _ = unsafe truncate(file.path, 1_000_000)
            do throws(CallError) {
                while try await call.body.nextPiece() != nil {}
            } catch {
                found.withLock { $0 = error }
                throw error
            }
        }
        let call = try await pair.parent.call("cut", body: .file(path: file.path), options: Self.options())
        let error = await #expect(throws: CallError.self) { try await call.response() }
        guard case .failed(let remote)? = error else {
            Issue.record("the call ends with \(String(describing: error))")
            return
        }
        #expect(remote.code == .badFile && remote.exitCode == 66)
        #expect(remote.reason.contains("it became shorter while it was read"), "\(remote.reason)")
        #expect(found.withLock { $0 }.map { if case .badFile = $0 { true } else { false } } == true)
        let again = try await pair.parent.call("echo", body: .file(path: file.path), options: Self.options())
        #expect(try await again.response().body.collect(upTo: 10_000_000).count == 1_000_000)
        await pair.close()
    }

    @Test func sealedMemoryIsSharedByManyCalls() async throws {
        let pair = try await ConnectedPair(handler: FilePeer.digest)
        let bytes = ConnectionTests.pattern(3_000_000)
        let body = try OutboundBody.sealed(bytes)
        let wanted = FilePeer.crc(bytes)
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let call = try await pair.parent.call("digest", body: body, options: Self.options())
                    #expect(try await call.response().body.collect(upTo: 100) == wanted)
                    #expect(call.statistics.filesPassed == 1)
                }
            }
            try await group.waitForAll()
        }
        await pair.close()
    }

    @Test func aPeerThatTakesNoFilesGetsTheBytes() async throws {
        let pair = try await ConnectedPair(passesFiles: false, handler: ConnectionTests.echo)
        let bytes = ConnectionTests.pattern(1_000_000)
        let file = try ScratchFile(bytes)
        #expect(try await pair.parent.handshake().canPassFiles == false)
        for _ in 0..<2 {
            let call = try await pair.parent.call("echo", body: .file(path: file.path), options: Self.options())
            #expect(try await call.response().body.collect(upTo: 10_000_000) == bytes)
            #expect(call.statistics.filesPassed == 0)
        }
        await pair.close()
    }

    @Test func aParentTakesNoFileThatItDidNotAskFor() async throws {
        let bytes = ConnectionTests.pattern(1_000_000)
        let file = try ScratchFile(bytes)
        let passed = Mutex<UInt64?>(nil)
        let pair = try await ConnectedPair { call in
            let back = try await call.peer.call("echo", body: .file(path: file.path), options: Self.options())
            let body = try await back.response().body.collect(upTo: 10_000_000)
            passed.withLock { $0 = back.statistics.filesPassed }
            try await call.respond(FilePeer.crc(body))
        } parentHandler: { call in
            try await ConnectionTests.echo(call)
        }
        let call = try await pair.parent.call("ask")
        #expect(try await call.response().body.collect(upTo: 100) == FilePeer.crc(bytes))
        #expect(passed.withLock { $0 } == 0)
        await pair.close()
    }

    @Test("What is not asked for, or cannot be, goes another way")
    func otherWays() async throws {
        let pair = try await ConnectedPair(handler: FilePeer.digest)
        let bytes = ConnectionTests.pattern(1_000_000)
        let file = try ScratchFile(bytes)
        let whole = try OutboundBody.file(path: file.path)
        let part = OutboundBody.file(descriptor: file.descriptor, count: 1_000_000)
        var compressed = Self.options()
        compressed.codec = .zlib
        let cases: [(OutboundBody, CallOptions, UInt64)] = [
            (whole, Self.options(.auto, digest: .none), 1), (whole, Self.options(.auto), 0),
            (part, Self.options(.auto, digest: .none), 0), (part, Self.options(), 1),
            (whole, Self.options(.inline, digest: .none), 0), (whole, Self.options(.arena, digest: .none), 0),
            (whole, compressed, 0), (.bytes(bytes), Self.options(), 0),
        ]
        for (number, (body, options, passed)) in cases.enumerated() {
            let call = try await pair.parent.call("digest", body: body, options: options)
            #expect(try await call.response().body.collect(upTo: 100) == FilePeer.crc(bytes), "case \(number)")
            #expect(call.statistics.filesPassed == passed, "case \(number)")
        }
        await pair.close()
    }

    @Test func aFileIsSavedAndFlushed() async throws {
        let bytes = ConnectionTests.pattern(1_000_000)
        let (source, target) = (try ScratchFile(bytes), try ScratchFile([]))
        let pair = try await ConnectedPair { call in try await call.body.save(toDescriptor: target.descriptor) }
        let call = try await pair.parent.call("save", body: .file(path: source.path), options: Self.options())
        _ = try await call.response().body.collect(upTo: 0)
        #expect(call.statistics.filesPassed == 1)
        var found = [UInt8](repeating: 0, count: 1_000_001)
        #expect(unsafe pread(target.descriptor, &found, found.count, 0) == 1_000_000)
        #expect(Array(found.dropLast()) == bytes)
        await pair.close()
    }

    // MARK: What may not come

    /// Descriptors that say they are a body of 100,000 bytes; opened anew for each use.
    static let wrong: [(name: String, make: @Sendable (ScratchFile) throws -> CInt?)] = [
        ("writable", { try $0.open(O_RDWR) }), ("only writable", { try $0.open(O_WRONLY) }),
        // O_PATH, which the C library's module does not have.
        ("a name only", { try $0.open(0o10_000_000) }),
        ("a device", { _ in unsafe open("/dev/zero", O_RDONLY | O_CLOEXEC) }),
        ("a directory", { _ in unsafe open("/", O_RDONLY | O_CLOEXEC) }),
        ("a pipe", { _ in pipeEnd() }), ("too short", { _ in try ScratchFile([1, 2, 3]).open(O_RDONLY) }),
        ("memory without seals", { _ in clinux_memfd_create(200_000, 0) }),
        // SEAL, SHRINK and GROW, as of the arena.
        ("memory that can be written", { _ in clinux_memfd_create(200_000, 1 | 2 | 4) }),
        ("nothing", { _ in nil }),
    ]

    private static func pipeEnd() -> CInt {
        let pipe = Pipe()
        close(pipe.writer)
        return pipe.reader
    }

    @Test("A descriptor that is no file to be read fails its call and nothing else", arguments: wrong.indices)
    func refuses(index: Int) throws {
        let bytes = ConnectionTests.pattern(200_000)
        let file = try ScratchFile(bytes)
        let peer = try FilePeer()
        let wrong = try Self.wrong[index].make(file)
        #expect(wrong ?? 0 >= 0)
        let result = try peer.send(wrong, offset: 50_000, count: 100_000)
        #expect(result == .failure(.badFile), "\(Self.wrong[index].name)")
        let again = try peer.send(file.open(O_RDONLY), offset: 50_000, count: 100_000)
        #expect(again == .success(FilePeer.crc(Array(bytes[50_000..<150_000]))))
    }

    @Test func sealedMemoryIsReadAlsoThroughAWritableDescriptor() throws {
        let bytes = ConnectionTests.pattern(200_000)
        let file = unsafe bytes.withUnsafeBytes { unsafe clinux_file_sealed($0.baseAddress, $0.count) }
        try #require(file >= 0)
        #expect(unsafe pwrite(file, "x", 1, 0) == -1 && ftruncate(file, 0) == -1)
        let result = try FilePeer().send(file, offset: 0, count: 200_000)
        #expect(result == .success(FilePeer.crc(bytes)))
    }

    @Test func aRangeMayEndWhereTheFileEndsAndNotBehind() throws {
        let bytes = ConnectionTests.pattern(1_000)
        let file = try ScratchFile(bytes)
        let peer = try FilePeer()
        #expect(try peer.send(file.open(O_RDONLY), offset: 999, count: 1) == .success(FilePeer.crc([bytes[999]])))
        #expect(try peer.send(file.open(O_RDONLY), offset: 1_000, count: 1) == .failure(.badFile))
        #expect(try peer.send(file.open(O_RDONLY), offset: 0, count: 1_001) == .failure(.badFile))
        #expect(try peer.send(file.open(O_RDONLY), offset: .max >> 1 - 1, count: 1) == .failure(.badFile))
    }

    // MARK: Nothing is left behind

    @Test func everyWayToEndACallClosesItsFile() async {
        // In a process of its own: other tests open descriptors meanwhile.
        await #expect(processExitsWith: .success) {
            let file = try ScratchFile(ConnectionTests.pattern(4_000_000))
            // What is opened once and stays: threads of the reactors, their descriptors.
            try await FileScene.run("whole", file)
            let before = try await FileScene.descriptors()
            for how in ["whole", "cancel", "stop", "unread", "fail", "ignored", "abort", "vanish"] {
                for _ in 0..<5 { try await FileScene.run(how, file) }
                let after = try await FileScene.descriptors()
                #expect(after == before, "\(how): \(before) descriptors, then \(after)")
            }
        }
    }
}

/// One connection with one call whose body is a file, which ends in some way.
private enum FileScene {
    /// One for all: it stays.
    private static let reactor: Reactor = {
        let reactor = Reactor(name: "child")
        reactor.start()
        return reactor
    }()

    static func handle(_ call: IncomingCall) async throws {
        if call.method != "ignored" { _ = try await call.body.nextPiece() }
        switch call.method {
        case "whole": while try await call.body.nextPiece() != nil {}
        case "stop": await call.body.stop()
        case "fail": throw CallFailure(reason: "as asked")
        case "cancel", "abort", "vanish":
            call.progress(Progress(completed: 1, unit: "pieces"))
            while !call.isCancelled { usleep(1_000) }
        default: break
        }
    }

    static func run(_ how: String, _ file: ScratchFile) async throws {
        let pair = try await ConnectedPair(childReactor: reactor) { try await handle($0) }
        var options = CallOptions()
        options.codec = .none
        options.delivery = .descriptor
        let call = try await pair.parent.call(how, body: .file(path: file.path), options: options)
        switch how {
        case "cancel", "abort", "vanish":
            for await _ in call.events { break }
            if how == "cancel" { call.cancel() }
            if how == "abort" { await pair.parent.abort() }
            if how == "vanish" { await pair.child.abort() }
        default: _ = try? await call.response().body.collect(upTo: 100)
        }
        guard how != "abort", how != "vanish" else {
            _ = await (pair.parent.closed(), pair.child.closed())
            return
        }
        await call.finished()
        await pair.close()
    }

    /// How many there are once nothing runs any more.
    static func descriptors() async throws -> Int {
        while CallThreads.shared.running > 0 { try await Task.sleep(for: .milliseconds(1)) }
        var counts: [Int] = []
        // Reactors of connections that are over go away on their own threads.
        repeat {
            try await Task.sleep(for: .milliseconds(20))
            counts.append((CInt(0)..<1_024).count { fcntl($0, F_GETFD) >= 0 })
        } while counts.count < 3 || Set(counts.suffix(3)).count > 1
        return counts[counts.count - 1]
    }
}
