import Foundation

extension StoreKey {
    /// A key of 32 bytes, which are the key itself and no password.
    public convenience init(_ bytes: Data) throws {
        do {
            try self.init(bytes: bytes)
        } catch let error as NativeError {
            throw AloeError(error)
        }
    }
}
