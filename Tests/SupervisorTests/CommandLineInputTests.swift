// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame
import Supervisor
import Testing

@testable import ipc_parent

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
