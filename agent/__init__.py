"""What a chess player is: rules, move vocabulary, network, policy, player, and its faces."""
