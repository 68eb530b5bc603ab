import AloeKit
import SwiftUI

/// Thumbs on a reply, and what it should have said; a second tap takes it back.
struct RatingView: View {
    let line: ChatModel.Line
    let chat: ChatModel
    @State private var asks = false
    @State private var better = ""

    var body: some View {
        HStack {
            thumb("Good", "hand.thumbsup", .up)
            thumb("Not good", "hand.thumbsdown", .down)
            Button("What it should have said", systemImage: isEdited ? "pencil.circle.fill" : "pencil.circle", action: edit)
        }
        .labelStyle(.iconOnly)
        .font(.caption)
        .alert("What should it have said?", isPresented: $asks) {
            TextField("Reply", text: $better, axis: .vertical)
            Button("Keep") { rate(.edited(text: better)) }
            Button("Cancel", role: .cancel) {}
        }
    }

    private var isEdited: Bool {
        if case .edited? = line.rating { true } else { false }
    }

    private func thumb(_ name: String, _ image: String, _ rating: Rating) -> some View {
        let isGiven = line.rating == rating
        return Button(name, systemImage: isGiven ? "\(image).fill" : image) { rate(isGiven ? nil : rating) }
    }

    private func edit() {
        if case let .edited(text)? = line.rating { better = text } else { better = line.text }
        asks = true
    }

    private func rate(_ rating: Rating?) {
        Task { await chat.rate(line, rating) }
    }
}
