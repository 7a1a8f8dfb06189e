@main struct IPCChild { static func main() {} }
