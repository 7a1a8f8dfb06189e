// SPDX-License-Identifier: Apache-2.0
import Supervisor
import Testing

@testable import ipc_parent

@Suite("The parts of map")
struct MapPartsTests {
    @Test("Without order results are ready as they come")
    func unordered() {
        var queue = ResultQueue<String>(isOrdered: false)
        queue.add("b", of: 1)
        queue.add(nil, of: 0)
        queue.add("c", of: 2)
        #expect(queue.takeReady().map(\.result) == ["b", "c"])
        #expect(queue.isEmpty)
    }

    @Test("In order each result waits for those before it, but not for one that will not come")
    func ordered() {
        var queue = ResultQueue<String>(isOrdered: true)
        queue.add("c", of: 2)
        queue.add(nil, of: 1)
        #expect(queue.takeReady().isEmpty)
        #expect(!queue.isEmpty)
        queue.add("a", of: 0)
        #expect(queue.takeReady().map(\.index) == [0, 2])
        queue.add("d", of: 3)
        #expect(queue.takeReady().map(\.result) == ["d"])
        #expect(queue.isEmpty)
    }

    @Test("Only so many results may wait")
    func capacity() {
        var queue = ResultQueue<Int>(isOrdered: true)
        for index in 1..<ResultQueue<Int>.capacity { queue.add(index, of: index) }
        #expect(!queue.isFull)
        queue.add(0, of: ResultQueue<Int>.capacity)
        #expect(queue.isFull)
        queue.add(0, of: 0)
        #expect(!queue.isFull)
    }

    @Test("A spool keeps little in memory and more in a file, and gives it back as it was")
    func spool() throws {
        let scratch = try ScratchFiles()
        let spool = ResultSpool(memory: 10, directory: scratch.path)
        try spool.write(Array("01234".utf8))
        try spool.write(Array("56789".utf8))
        #expect(!spool.hasFile)
        try spool.write(Array("a".utf8))
        try spool.write(Array("bc".utf8))
        #expect(spool.hasFile)
        #expect(spool.byteCount == 13)
        // Nobody else finds it.
        #expect(scratch.entries.isEmpty)
        let output = try OutputTarget.open(scratch.path + "/out")
        try spool.copy(to: output)
        spool.discard()
        #expect(!spool.hasFile)
        try spool.write(Array("!".utf8))
        try spool.copy(to: output)
        try output.place()
        #expect(try scratch.text("out") == "0123456789abc!")
    }

    @Test("A place that cannot keep a result is named")
    func noSpool() throws {
        let spool = ResultSpool(memory: 0, directory: "/nowhere")
        #expect(throws: JobBodyError.output("cannot keep the result in '/nowhere': No such file or directory")) {
            try spool.write([1])
        }
    }

    @Test("Names end with a line or a zero; empty ones do not count")
    func names() {
        #expect(FileNames.split(Array("a\n\nb c\nd".utf8), at: 10) == ["a", "b c", "d"])
        #expect(FileNames.split(Array("a\nb\0c\0".utf8), at: 0) == ["a\nb", "c"])
        #expect(FileNames.split([], at: 10) == [])
    }

    static let paths: [(String, String)] = [
        ("a", "a"), ("a/b", "b"), ("/a/b.txt", "b.txt"), ("a/", ""), (".", ""), ("a/..", ""), ("/", ""), ("…/é", "é"),
    ]

    @Test("A result has the last component of its file's path", arguments: paths)
    func name(path: String, name: String) {
        #expect(OutputPlan.name(of: path) == name)
    }

    @Test("What follows the first -- belongs to the job, and only for map")
    func programArguments() {
        let split = ProgramArguments(splitting: ["map", "exec", "a", "--", "wc", "--", "-l"])
        #expect(split.others == ["map", "exec", "a"])
        #expect(split.program == ["wc", "--", "-l"])
        #expect(ProgramArguments(splitting: ["map", "echo", "a"]).program == [])
        #expect(ProgramArguments(splitting: ["run", "exec", "--", "wc"]).others == ["run", "exec", "--", "wc"])
    }

    @Test("Failures are counted up to 100, and one more stands for the rest")
    func exitCodes() {
        #expect([0, 1, 100, 101, 5_000].map { MapTally(failed: $0).exitCode } == [0, 1, 100, 101, 101])
    }
}
