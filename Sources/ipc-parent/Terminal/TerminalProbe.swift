// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What standard error is, as far as showing progress goes.
struct TerminalProbe: Equatable {
    var isTerminal: Bool
    /// The value of TERM.
    var term: String?

    /// The style that `--progress auto` means here.
    var style: ProgressMeter.Style {
        guard isTerminal else { return .plain }
        // A terminal that cannot go back to the start of its line (NO_COLOR takes nothing away: we use no colour).
        return term == nil || term == "" || term == "dumb" ? .plain : .bar
    }

    /// The state of standard error and of the environment now.
    static var standardError: TerminalProbe {
        TerminalProbe(isTerminal: isatty(STDERR_FILENO) == 1, term: environment("TERM"))
    }

    /// Columns of the terminal behind standard error.
    static var columns: Int {
        var size = winsize()
        // TIOCGWINSZ fills one winsize.
        let result = unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
        return result == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Whether we are the job that the terminal's user sees; one in the background must not draw over another's screen.
    static var isInForeground: Bool { tcgetpgrp(STDERR_FILENO) == getpgrp() }

    private static func environment(_ name: String) -> String? {
        // Nobody changes the environment of this process.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
