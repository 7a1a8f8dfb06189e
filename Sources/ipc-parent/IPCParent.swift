@main struct IPCParent { static func main() {} }
