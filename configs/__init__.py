"""The settings files that come with ZeroMass. A package only so that they travel with an installation."""
