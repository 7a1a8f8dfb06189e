// SPDX-License-Identifier: Apache-2.0
import Foundation
import IPCFrame
import Supervisor
import Testing

// The Swift examples of README.md, compiled as they stand there.

enum EmbeddingExample {
    static func importStations(worker path: String, delivery: String, database: String) async throws -> [Count] {
        let worker = try await WorkerProcess.spawn(WorkerConfiguration(executable: path))
        do {
            let call = try await worker.call(
                "import",
                arguments: [Argument("database", database)],
                body: .file(path: delivery)
            )
            let answer = try await call.response()
            for try await piece in answer.body { _ = piece }  // the difference, as NDJSON
            await worker.stop()
            return answer.body.trailer?.counts ?? []
        } catch {
            await worker.stop()
            print("\(await worker.waitForExit())")  // why, if it was the worker's end
            throw error
        }
    }
}

enum PoolExample {
    static func digest(of message: [UInt8], worker path: String) async throws -> PoolReply {
        var worker = WorkerConfiguration(executable: path)
        worker.nice = 10  // requests go before work
        var configuration = PoolConfiguration(worker: worker)
        configuration.policy.maximumWorkers = 2
        let pool = WorkerPool(configuration)
        let reply = try await pool.call("digest", body: .bytes(message))
        await pool.drain()
        return reply
    }
}

enum WorkerExample {
    static func main() {
        Worker.run(name: "shouter") { call in
            guard call.method == "shout" else { throw Worker.unknownMethod(call.method) }
            let answer = call.respond()
            for try await piece in call.body {
                try await answer.write(piece.map { (97...122).contains($0) ? $0 - 32 : $0 })
                call.progress(Progress(completed: answer.written, unit: "bytes"))
            }
        }
    }
}

@Suite struct ReadmeTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func blocks(_ language: String) throws -> [String] {
        let text = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
        return text.components(separatedBy: "```\(language)\n").dropFirst().map { rest in
            rest.components(separatedBy: "\n```")[0]
        }
    }

    private static func squeezed(_ text: String) -> String {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
    }

    @Test func everySwiftExampleOfTheReadmeIsCompiledHere() throws {
        let source = Self.squeezed(try String(contentsOfFile: #filePath, encoding: .utf8))
        let blocks = try Self.blocks("swift")
        #expect(blocks.count == 3)
        for block in blocks { #expect(source.contains(Self.squeezed(block)), "not compiled: \(block)") }
    }

    @Test func theEmbeddingExampleReturnsTheCounts() async throws {
        let directory = URL(fileURLWithPath: NSTemporaryDirectory()).appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let delivery = directory.appendingPathComponent("d.csv").path
        try "id,name\n1,Ulm\n2,Köln\n".write(toFile: delivery, atomically: true, encoding: .utf8)
        let counts = try await EmbeddingExample.importStations(
            worker: try CommandLine.products + "/ipc-child",
            delivery: delivery,
            database: directory.appendingPathComponent("s.db").path
        )
        #expect(counts.first == Count("new", 2))
        #expect(counts.last == Count("unchanged", 0))
    }

    @Test func thePoolExampleReturnsTheDigest() async throws {
        let reply = try await PoolExample.digest(of: Array("abc".utf8), worker: try CommandLine.products + "/ipc-child")
        #expect(String(decoding: reply.bytes, as: UTF8.self).hasPrefix("352441c2 3"))
    }

    /// The shell examples run as they stand, in a directory that has what they name.
    @Test func everyShellExampleOfTheReadmeRuns() async throws {
        let shell = try CommandLine()
        for path in ["Samples/stations.csv.gz", "Samples/stations-next.csv.gz", "Tests/Support/worker.py"] {
            let source = Self.root.appendingPathComponent(path)
            let target = URL(fileURLWithPath: shell.directory).appendingPathComponent(source.lastPathComponent)
            try FileManager.default.copyItem(at: source, to: target)
        }
        let blocks = try Self.blocks("sh").filter { $0.contains("ipc-parent") }
        #expect(blocks.count == 4)
        for block in blocks {
            let result = try await shell.sh("set -euo pipefail; PATH=\(try CommandLine.products):$PATH\n\(block)")
            #expect(result.code == 0, "\(block)\n\(result)")
        }
    }
}
