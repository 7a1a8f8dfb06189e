// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Supervisor
import Testing

@testable import ipc_parent

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
        let isOurs = JobBodyError.output("cannot write '/dev/fd/\(fd)': Bad file descriptor")
        #expect(throws: isOurs) { try OutputTarget.open("/dev/fd/\(fd)") }
        // As one that was inherited.
        _ = fcntl(fd, F_SETFD, 0)
        let output = try OutputTarget.open("/dev/fd/\(fd)")
        try output.write(Array("added".utf8))
        try output.place()
        #expect(try scratch.text("log") == "kept added")
        let readOnly = try File.open(path, O_RDONLY).release()
        defer { close(readOnly) }
        _ = fcntl(readOnly, F_SETFD, 0)
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
