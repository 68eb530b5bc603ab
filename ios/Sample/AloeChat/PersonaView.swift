import AloeKit
import SwiftUI

/// "What I know about you": every fact, to be corrected, pinned, forgotten, taken away or erased.
struct PersonaView: View {
    @State var model: PersonaModel
    @State private var edited: Fact?
    @State private var text = ""
    @State private var asksToErase = false
    @Environment(\.dismiss) private var dismiss

    var body: some View {
        NavigationStack {
            List(model.facts, id: \.id) { fact in
                FactRow(fact: fact)
                    .swipeActions {
                        Button("Forget", role: .destructive) { Task { await model.forget(fact) } }
                        Button("Edit") { edit(fact) }
                        Button(fact.pinned ? "Unpin" : "Pin") { Task { await model.togglePin(fact) } }
                    }
            }
            .overlay { if model.facts.isEmpty { ContentUnavailableView("Nothing yet", systemImage: "person") } }
            .navigationTitle("What I know about you")
            .toolbar { actions }
            .task { await model.load() }
            .problem($model.problem)
            .alert("Correct it", isPresented: Binding { edited != nil } set: { if !$0 { edited = nil } }) {
                TextField("Fact", text: $text)
                Button("Save", action: save)
                Button("Cancel", role: .cancel) {}
            }
            .confirmationDialog("Erase everything?", isPresented: $asksToErase) {
                Button("Erase memories and conversations", role: .destructive) { Task { await model.eraseAll() } }
            }
        }
    }

    @ToolbarContentBuilder private var actions: some ToolbarContent {
        ToolbarItem(placement: .confirmationAction) { Button("Done") { dismiss() } }
        ToolbarItemGroup(placement: .bottomBar) {
            if let file = model.exported {
                ShareLink("Share", item: file)
            } else {
                Button("Export") { Task { await model.export() } }
            }
            if let file = model.exportedRatings {
                ShareLink("Share ratings", item: file)
            } else {
                Button("Export ratings") { Task { await model.exportRatings() } }
            }
            Spacer()
            Button("Erase everything", role: .destructive) { asksToErase = true }
        }
    }

    private func edit(_ fact: Fact) {
        text = fact.text
        edited = fact
    }

    private func save() {
        guard let fact = edited else { return }
        let corrected = text
        Task { await model.edit(fact, corrected) }
    }
}

private struct FactRow: View {
    let fact: Fact

    var body: some View {
        VStack(alignment: .leading) {
            HStack {
                Text(fact.text)
                if fact.pinned { Image(systemName: "pin.fill").foregroundStyle(.secondary) }
            }
            Text("“\(fact.words)”").font(.caption).foregroundStyle(.secondary)
            ProgressView(value: Double(fact.confidence)).accessibilityLabel("How sure")
        }
    }
}
