//! The fields of an incident: their bit numbers, which never change, and the kind of their values.

use crate::edit::fields;

fields! {
    /// A field of an incident. Status, severity and phase are held as the numbers of their terms.
    {
        /// What happened, on one line.
        Title = 0, "title", Text;
        /// How far it has been dealt with: the number of a status.
        Status = 1, "status", Uint;
        /// How bad it is: the number of a severity.
        Severity = 2, "severity", Uint;
        /// What is known about it.
        Description = 3, "description", Text;
        /// How many single occurrences it stands for.
        EventCount = 4, "event_count", Uint;
        /// The rule that saw them as one.
        CorrelationRule = 5, "correlation_rule", Text;
        /// How far the attack has got: the number of a phase.
        KillChainPhase = 6, "kill_chain_phase", Uint;
        /// Techniques of the MITRE ATT&CK matrix.
        MitreMapping = 7, "mitre_mapping", Texts;
        /// When it was first reported, Unix milliseconds.
        CreatedAt = 8, "created_at", Uint;
    }
}
