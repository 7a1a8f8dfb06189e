// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Supervisor
import Testing

@testable import ipc_parent

/// A directory that is gone when the test is over.
final class ScratchFiles: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/ipcframe-test-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard unsafe mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // Tests make files and flat directories only.
        for name in entries { unsafe Glibc.remove(path + "/" + name) }
        unsafe rmdir(path)
    }

    var entries: [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    @discardableResult
    func file(_ name: String, _ text: String, mode: mode_t = 0o644) throws -> String {
        let file = path + "/" + name
        try File.open(file, O_WRONLY | O_CREAT | O_TRUNC, mode: mode).withRawValue { fd in
            _ = try File.write(fd, Array(text.utf8), from: 0)
            fchmod(fd, mode)
        }
        return file
    }

    func text(_ name: String) throws -> String {
        try File.open(path + "/" + name, O_RDONLY).withRawValue { fd in
            String(decoding: try File.read(fd, upTo: 1 << 20), as: UTF8.self)
        }
    }

    func link(_ name: String, to target: String) { unsafe symlink(target, path + "/" + name) }
}

/// Both ends of a pipe.
struct Pipe {
    let reader: CInt
    let writer: CInt

    init() throws {
        var ends: [CInt] = [0, 0]
        try File.retrying("pipe") { unsafe pipe(&ends) }
        (reader, writer) = (ends[0], ends[1])
    }
}

@Suite("Output files")
struct CommandLineOutputTests {
    let scratch: ScratchFiles

    init() throws { scratch = try ScratchFiles() }

    @Test("A new file appears as a whole, and only when it is placed")
    func newFile() throws {
        let output = try OutputTarget.open(scratch.path + "/out")
        try output.write(Array("half".utf8))
        #expect(!scratch.entries.contains("out"))
        try output.write(Array(" and half".utf8))
        try output.place()
        #expect(scratch.entries == ["out"])
        #expect(try scratch.text("out") == "half and half")
    }

    @Test("A file that is there keeps its content until then, and its mode for good")
    func replacement() throws {
        let path = try scratch.file("out", "before", mode: 0o640)
        let output = try OutputTarget.open(path)
        try output.write(Array("after".utf8))
        #expect(try scratch.text("out") == "before")
        try output.place()
        #expect(try scratch.text("out") == "after")
        #expect(try File.status(at: path).mode == 0o640)
    }

    @Test("A result that is given up leaves nothing", arguments: [true, false])
    func givenUp(allowsUnnamed: Bool) throws {
        do {
            let file = try TemporaryFile(in: scratch.path, allowsUnnamed: allowsUnnamed)
            _ = try File.write(file.fd, [1, 2, 3], from: 0)
        }
        #expect(scratch.entries == [])
    }

    @Test("A file system without nameless files gets a hidden name instead", arguments: [true, false])
    func placed(allowsUnnamed: Bool) throws {
        try scratch.file("out", "old")
        let file = try TemporaryFile(in: scratch.path, allowsUnnamed: allowsUnnamed)
        _ = try File.write(file.fd, Array("new".utf8), from: 0)
        try file.rename(to: scratch.path + "/out")
        #expect(scratch.entries == ["out"])
        #expect(try scratch.text("out") == "new")
    }

    @Test("Another attempt begins with an empty file")
    func discarded() throws {
        let output = try OutputTarget.open(scratch.path + "/out")
        try output.write(Array("first attempt".utf8))
        try output.discard()
        try output.write(Array("second".utf8))
        try output.place()
        #expect(try scratch.text("out") == "second")
    }

    @Test("Links are followed and stay links")
    func links() throws {
        let path = try scratch.file("real", "old")
        scratch.link("one", to: "real")
        scratch.link("two", to: scratch.path + "/one")
        let output = try OutputTarget.open(scratch.path + "/two")
        try output.write(Array("new".utf8))
        try output.place()
        #expect(try scratch.text("real") == "new")
        #expect(try File.linkTarget(of: scratch.path + "/one") == "real")
        #expect(try File.linkTarget(of: path) == nil)
    }

    @Test("A link to nothing makes what it points to")
    func danglingLink() throws {
        scratch.link("link", to: "new")
        let output = try OutputTarget.open(scratch.path + "/link")
        try output.place()
        #expect(scratch.entries == ["link", "new"])
    }

    @Test("A device is written, never replaced")
    func device() throws {
        let output = try OutputTarget.open("/dev/null")
        #expect(output.isImmediate)
        try output.write([1, 2, 3])
        try output.place()
        #expect(try File.status(at: "/dev/null").kind == .device)
    }

    @Test("Names of our own descriptors mean those descriptors")
    func ownDescriptors() throws {
        #expect(try OutputDestination(resolving: "/dev/stdout") == .descriptor(1))
        #expect(try OutputDestination(resolving: "/dev/fd/17") == .descriptor(17))
        #expect(try OutputDestination(resolving: "/proc/self/fd/2") == .descriptor(2))
        #expect(try OutputDestination(resolving: "/proc/1/fd/2") == .special(path: "/proc/1/fd/2"))
        scratch.link("link", to: "/dev/stderr")
        #expect(try OutputDestination(resolving: scratch.path + "/link") == .descriptor(2))
    }

    @Test("A descriptor is written where it stands, and its file is not replaced")
    func descriptor() throws {
        let path = try scratch.file("log", "kept ")
        let fd = try File.open(path, O_WRONLY | O_APPEND).release()
        defer { close(fd) }
        let output = try OutputTarget.open("/dev/fd/\(fd)")
        try output.write(Array("added".utf8))
        try output.place()
        #expect(try scratch.text("log") == "kept added")
        let readOnly = try File.open(path, O_RDONLY).release()
        defer { close(readOnly) }
        #expect(throws: JobBodyError.output("cannot write '/dev/fd/\(readOnly)': Bad file descriptor")) {
            try OutputTarget.open("/dev/fd/\(readOnly)")
        }
    }

    @Test("What cannot be written is refused before anything runs")
    func refused() throws {
        let file = try scratch.file("file", "")
        scratch.link("loop", to: "loop")
        let reasons: [(String, String)] = [
            (scratch.path + "/missing/out", "No such file or directory"), (scratch.path, "Is a directory"),
            (scratch.path + "/", "Is a directory"), (file + "/out", "Not a directory"),
            (scratch.path + "/loop", "Too many levels of symbolic links"), ("", "No such file or directory"),
            ("/dev/fd/9999", "Bad file descriptor"),
        ]
        for (path, reason) in reasons {
            #expect(throws: JobBodyError.output("cannot write '\(path)': \(reason)"), "\(path)") {
                try OutputTarget.open(path)
            }
        }
    }

    @Test("A full disk is told")
    func full() throws {
        let output = try OutputTarget.open("/dev/full")
        #expect(throws: JobBodyError.output("cannot write '/dev/full': No space left on device")) {
            try output.write([1])
        }
    }

    @Test("A pipe without a reader is no error of the output's")
    func readerGone() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try Pipe()
        defer { close(pipe.writer) }
        let output = try OutputTarget.open("-", standardOutput: pipe.writer)
        try output.write([1])
        close(pipe.reader)
        #expect(throws: JobBodyError.readerGone) { try output.write([2]) }
    }

    @Test("A write to a full pipe ends when it is interrupted, and the pipe's mode is untouched")
    func interruption() throws {
        let pipe = try Pipe()
        defer {
            close(pipe.writer)
            close(pipe.reader)
        }
        let output = try OutputTarget.open("-", standardOutput: pipe.writer)
        try output.write([UInt8](repeating: 0, count: 65_536))
        output.interrupt()
        #expect(throws: JobBodyError.interrupted) { try output.write([1]) }
        #expect(fcntl(pipe.writer, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test("A closed standard output matters only when there is something to write")
    func closed() throws {
        let output = try OutputTarget.open("-", standardOutput: nil)
        try output.place()
        #expect(throws: JobBodyError.output("cannot write standard output: Bad file descriptor")) {
            try output.write([1])
        }
    }

    @Test("A local socket is connected and written")
    func socketTarget() throws {
        let path = scratch.path + "/socket"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        try File.retrying("bind") {
            unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        try File.retrying("listen") { listen(listener, 1) }
        let output = try OutputTarget.open(path)
        try output.write(Array("hello".utf8))
        let peer = try File.retrying("accept") { accept(listener, nil, nil) }
        defer { close(peer) }
        #expect(try File.read(peer, upTo: 10) == Array("hello".utf8))
        #expect(scratch.entries == ["socket"])
    }
}

@Suite("Inputs")
struct CommandLineInputTests {
    let scratch: ScratchFiles

    init() throws { scratch = try ScratchFiles() }

    func all(_ input: any JobInput, by count: Int = 4) throws -> String {
        var bytes: [UInt8] = []
        while true {
            let more = try input.read(upTo: count)
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }

    @Test("A file is offered with its size, and can be read again")
    func file() throws {
        let input = try InputSource.open(try scratch.file("in", "0123456789"))
        #expect(input.byteCount == 10)
        #expect(try all(input) == "0123456789")
        try input.rewind()
        #expect(try all(input) == "0123456789")
    }

    @Test("A file that is cut short while it is read is an error, and one that grows is read as it was")
    func changingFile() throws {
        let path = try scratch.file("in", "0123456789")
        let input = try InputSource.open(path)
        #expect(try input.read(upTo: 4).count == 4)
        unsafe truncate(path, 4)
        #expect(
            throws: JobBodyError.input(
                "cannot read '\(path)': it ended after 4 of 10 bytes, cut short while it was read"
            )
        ) {
            try input.read(upTo: 4)
        }
        let other = try InputSource.open(path)
        try scratch.file("in", "0123456789")
        #expect(try all(other) == "0123")
    }

    @Test("A regular file on standard input starts where the shell stands, and moves only when it was used")
    func sharedOffset() throws {
        let fd = try File.open(try scratch.file("in", "line 1\nline 2\n"), O_RDONLY).release()
        defer { close(fd) }
        _ = try File.read(fd, upTo: 7)
        let input = try InputSource.open("-", standardInput: fd)
        #expect(input.byteCount == 7)
        #expect(try all(input) == "line 2\n")
        #expect(try File.seek(fd, to: 0, from: SEEK_CUR) == 7)
        input.finish()
        #expect(try File.seek(fd, to: 0, from: SEEK_CUR) == 14)
    }

    @Test("A pipe has no size, is read to its end, and not twice")
    func pipe() throws {
        let pipe = try Pipe()
        defer { close(pipe.reader) }
        _ = try File.write(pipe.writer, Array("from a pipe".utf8), from: 0)
        close(pipe.writer)
        let input = try InputSource.open("-", standardInput: pipe.reader)
        #expect(input.byteCount == nil)
        #expect(try all(input) == "from a pipe")
        #expect(throws: JobBodyError.input("cannot read standard input a second time")) { try input.rewind() }
    }

    @Test("A wait for a silent pipe ends when it is interrupted, and the pipe's mode is untouched")
    func interruption() throws {
        let pipe = try Pipe()
        defer {
            close(pipe.reader)
            close(pipe.writer)
        }
        let input = try InputSource.open("-", standardInput: pipe.reader)
        input.interrupt()
        #expect(throws: JobBodyError.interrupted) { try input.read(upTo: 1) }
        #expect(fcntl(pipe.reader, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test("A FIFO whose writer is late is waited for, not taken as empty")
    func fifo() async throws {
        let path = scratch.path + "/fifo"
        try File.retrying("mkfifo") { unsafe mkfifo(path, 0o600) }
        let input = try InputSource.open(path)
        let thread = BlockingThread(name: "fifo")
        async let text = thread.run { try self.all(input) }
        let writer = try File.open(path, O_WRONLY).release()
        _ = try File.write(writer, Array("late".utf8), from: 0)
        close(writer)
        #expect(try await text == "late")
    }

    @Test("A file of /proc has no size before it is read")
    func proc() throws {
        let input = try InputSource.open("/proc/self/status")
        #expect(input.byteCount == nil)
        #expect(try all(input, by: 4_096).hasPrefix("Name:"))
    }

    @Test("Closed standard input is no input")
    func closed() throws {
        let input = try InputSource.open("-", standardInput: nil)
        #expect(input.isAbsent)
        #expect(try input.read(upTo: 1) == [])
    }

    @Test("What cannot be read is refused before anything runs")
    func refused() throws {
        #expect(throws: JobBodyError.input("cannot read '/nowhere': No such file or directory")) {
            try InputSource.open("/nowhere")
        }
        #expect(throws: JobBodyError.input("cannot read '\(scratch.path)': Is a directory")) {
            try InputSource.open(scratch.path)
        }
    }

    @Test("A spooled stream gives each attempt the whole input, as far as it was read")
    func spool() throws {
        let pipe = try Pipe()
        defer { close(pipe.reader) }
        _ = try File.write(pipe.writer, Array("0123456789".utf8), from: 0)
        close(pipe.writer)
        let input = try SpooledInput(InputSource.open("-", standardInput: pipe.reader), in: scratch.path)
        #expect(try input.read(upTo: 4) == Array("0123".utf8))
        input.rewind()
        #expect(try all(input, by: 3) == "0123456789")
        input.rewind()
        #expect(try all(input, by: 100) == "0123456789")
        #expect(scratch.entries == [])
    }
}
