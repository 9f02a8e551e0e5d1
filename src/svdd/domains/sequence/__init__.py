"""What DNA, RNA and proteins share: alphabets, masked and uniform models, distances, motifs, FASTA."""
