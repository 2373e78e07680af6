"""Train one model on one fold: python train.py experiment=ict_sdss trainer.devices=4."""

from ictconvention.cli.train import main

if __name__ == "__main__":
    main()
