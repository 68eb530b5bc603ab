import AloeKit
import SwiftUI

/// "Why this answer": the memories that the reply was given, and why each was recalled.
struct WhyView: View {
    let turn: Turn

    var body: some View {
        NavigationStack {
            List(turn.persona + turn.facts, id: \.id) { recalled in
                VStack(alignment: .leading) {
                    Text(recalled.text)
                    Text("You said: “\(recalled.words)”").font(.caption)
                    Text(recalled.why).font(.caption).foregroundStyle(.secondary)
                }
            }
            .overlay {
                if turn.persona.isEmpty, turn.facts.isEmpty {
                    ContentUnavailableView("No memory was used", systemImage: "text.bubble")
                }
            }
            .navigationTitle("Why this answer")
        }
        .presentationDetents([.medium, .large])
    }
}
