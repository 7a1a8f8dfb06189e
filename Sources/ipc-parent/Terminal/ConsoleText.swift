// SPDX-License-Identifier: Apache-2.0

/// What is written to standard error so that lines and a progress bar below them do not mix.
///
/// The cursor is never hidden and always stands at the end of the bar, so that nothing has to be restored, whatever
/// ends the process.
struct ConsoleText {
    private static let eraseLine = "\r\u{1B}[K"

    /// The bar on the screen now; empty for none.
    private(set) var bar = ""

    /// Lines that stay, above the bar.
    mutating func lines(_ lines: [String]) -> String {
        guard !lines.isEmpty else { return "" }
        let text = lines.joined(separator: "\n") + "\n"
        return bar.isEmpty ? text : Self.eraseLine + text + bar
    }

    /// A new state of the bar, cut to `columns`; empty takes it away.
    mutating func bar(_ line: String, columns: Int) -> String {
        // The last column stays free: some terminals wrap as soon as it is written.
        let next = DisplayText.prefix(line, columns: max(1, columns - 1))
        guard next != bar else { return "" }
        bar = next
        return Self.eraseLine + next
    }

    /// The screen is no longer as we left it: somebody else has written, or it was cleared.
    mutating func forget() { bar = "" }
}
