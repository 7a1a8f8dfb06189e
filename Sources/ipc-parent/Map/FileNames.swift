// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Supervisor

/// The files that are to be worked on: those of the command line, then those of the list.
enum FileNames {
    private static let pieceBytes = 64 << 10

    /// Reads the list, if there is one, to its end.
    static func all(_ options: MapOptions, standardInput: CInt?) throws(MapRefusal) -> [String] {
        guard let list = options.filesFrom else { return options.files }
        let separator: UInt8 = options.endsNamesWithZero ? 0 : UInt8(ascii: "\n")
        return options.files + split(try read(list, standardInput: standardInput), at: separator)
    }

    /// The names in a list; empty ones are left out, and the last need not be ended.
    static func split(_ list: [UInt8], at separator: UInt8) -> [String] {
        list.split(separator: separator).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func read(_ list: String, standardInput: CInt?) throws(MapRefusal) -> [UInt8] {
        do throws(JobBodyError) {
            let source = try InputSource.open(list, standardInput: standardInput)
            guard !source.isAbsent else { throw .input("cannot read \(source.name): it is closed") }
            var bytes: [UInt8] = []
            while case let piece = try source.read(upTo: pieceBytes), !piece.isEmpty { bytes += piece }
            source.finish()
            return bytes
        } catch {
            throw MapRefusal(exitCode: SupervisorExitCode.noInput, text: "\(error)")
        }
    }
}
